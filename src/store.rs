//! The lineage store on disk. `docs/store.md` is its specification.
