//! The bucket port over S3.
