//! What happens during an apply, as it happens.
