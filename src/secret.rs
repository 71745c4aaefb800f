//! Text that must not be shown: wiped when dropped, without `Display`, with a `Debug` that says nothing.

use std::fmt;

use zeroize::Zeroizing;

/// A secret text, such as a private key in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself. Call it where the text leaves for a key file or for a cryptographic operation.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
