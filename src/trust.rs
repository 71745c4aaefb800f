//! Who may change the list: verification of commits, from the introduction to the head.
//!
//! Pure: objects come through [`Objects`], the runner's files and clock as arguments.

/// TEMP
pub struct VerifiedList {
    list: crate::list::List,
}
impl VerifiedList {
    pub fn list(&self) -> &crate::list::List {
        &self.list
    }
    pub fn signers(&self, _: &crate::name::LineageName) -> &[String] {
        &[]
    }
    pub fn head_signer(&self) -> &str {
        ""
    }
    pub fn commit(&self) -> &crate::name::CommitId {
        todo!()
    }
    pub fn list_digest(&self) -> &crate::name::Digest {
        todo!()
    }
    pub fn trust_root(&self) -> &crate::name::Digest {
        todo!()
    }
}
