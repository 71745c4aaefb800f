use crate::{fault::Fault, lineage::*, port::*};
use std::collections::BTreeMap;
pub async fn publish(
    _b: &dyn Bucket,
    _l: &BTreeMap<String, ObjectSummary>,
    _s: &Stored,
    _p: &Pems,
    _f: bool,
) -> Result<String, Fault> {
    todo!()
}
