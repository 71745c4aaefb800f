//! Shapes of history, keys and paths, all together, judged by a small model of what design says.

use std::cell::RefCell;
use std::collections::HashMap;

use super::*;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    Linear,
    Merge,
    CrissCross,
    Ours,
    Evil,
    Octopus,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Key {
    Signed,
    Unsigned,
    Unknown,
    Revoked,
    Merger,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    List,
    Hooks,
    Other,
}

const SHAPES: [Shape; 6] = [Shape::Linear, Shape::Merge, Shape::CrissCross, Shape::Ours, Shape::Evil, Shape::Octopus];
const KEYS: [Key; 5] = [Key::Signed, Key::Unsigned, Key::Unknown, Key::Revoked, Key::Merger];
const WHATS: [What; 3] = [What::List, What::Hooks, What::Other];

/// What must be true, said once more and differently: is the head trusted?
fn model(shape: Shape, change: Key, last: Key, what: What, require: Require) -> bool {
    let protected = what != What::Other;
    // The commit with the change is never a merge.
    let change_ok = match change {
        Key::Signed => true,
        Key::Unsigned | Key::Unknown | Key::Revoked | Key::Merger => require == Require::Protected && !protected,
    };
    // The last commit changes nothing itself, unless it is an evil merge.
    let is_merge = shape != Shape::Linear;
    let last_ok = match last {
        Key::Signed => true,
        Key::Merger if is_merge => true,
        _ => require == Require::Protected,
    };
    let shape_ok = match shape {
        Shape::Linear | Shape::Merge => true,
        Shape::CrissCross | Shape::Ours | Shape::Evil => !protected,
        Shape::Octopus => false,
    };
    change_ok && last_ok && shape_ok
}

struct Matrix {
    house: House,
    eve: Signer,
    forge: Signer,
    made: RefCell<HashMap<String, CommitId>>,
}

impl Matrix {
    fn new() -> Self {
        let [eve, forge] = ["eve@example.com", "forge@example.com"].map(Signer::generate);
        Self { house: House::new(), eve, forge, made: RefCell::default() }
    }

    fn root(&self, require: Require) -> TrustRoot {
        let people = "{ann: {signs: [ann@example.com]}, bob: {signs: [bob@example.com]}}";
        let text = format!(
            "version: 1\npeople: {people}\nmergers: [forge@example.com]\n\
             rules: [{{id: n, names: [\"*.example.com\"], by: [ann, bob]}}, {{id: h, hooks: true, by: [ann, bob]}}]\n"
        );
        let signers = signers(&[&self.house.ann, &self.house.bob, &self.eve, &self.forge]);
        let policy = Some(Policy::parse(&text, "", &signers).unwrap());
        TrustRoot { signers, policy, require, revoked: [self.eve.fingerprint()].into(), ..self.house.root() }
    }

    fn key(&self, key: Key) -> Option<&Signer> {
        match key {
            Key::Signed => Some(&self.house.ann),
            Key::Unsigned => None,
            Key::Unknown => Some(&self.house.mallory),
            Key::Revoked => Some(&self.eve),
            Key::Merger => Some(&self.forge),
        }
    }

    /// Equal commits are made once: signing takes long without optimisation.
    fn make(&self, parents: &[&CommitId], files: &[(&str, &str)], key: Option<&Signer>) -> CommitId {
        let recipe = format!("{parents:?} {files:?} {:?}", key.map(Signer::principal));
        let make = || {
            let parents: Vec<_> = parents.iter().copied().cloned().collect();
            self.house.repo.commit_on(&parents, files, "change", key).unwrap()
        };
        self.made.borrow_mut().entry(recipe).or_insert_with(make).clone()
    }

    /// A history in which one commit makes the change, and the last one does not, unless it is evil.
    fn head(&self, shape: Shape, change: Key, last: Key, what: What) -> CommitId {
        let (www, more) = (list(&["www"]), list(&["more"]));
        let (path, text, other) = match what {
            What::List => ("domains.yaml", www.as_str(), more.as_str()),
            What::Hooks => ("hooks/after-issue", "#!/bin/sh\n", "#!/bin/bash\n"),
            What::Other => ("README", "one", "two"),
        };
        let (change, last, good) = (self.key(change), self.key(last), Some(&self.house.bob));
        let base = &self.house.introduction;
        let side = self.make(&[base], &[(path, text)], change);
        let line = self.make(&[base], &[("NEWS", "x")], good);
        let both = [(path, text), ("NEWS", "x")];
        match shape {
            Shape::Linear => self.make(&[&side], &[("NEWS", "x")], last),
            Shape::Merge => self.make(&[&line, &side], &both, last),
            Shape::Ours => self.make(&[&line, &side], &[], last),
            Shape::Evil => self.make(&[&line, &side], &[(path, other), ("NEWS", "x")], last),
            Shape::Octopus => {
                let third = self.make(&[base], &[("FACTS", "x")], good);
                self.make(&[&line, &side, &third], &[both[0], both[1], ("FACTS", "x")], last)
            }
            Shape::CrissCross => {
                let one = self.make(&[&line, &side], &both, good);
                let cross = self.make(&[&side, &line], &both, good);
                let next = self.make(&[&cross], &[(path, other)], good);
                self.make(&[&one, &next], &[(path, other), ("NEWS", "x")], last)
            }
        }
    }
}

#[test]
fn every_shape_with_every_key_and_path_is_judged_as_the_model_says() {
    let matrix = Matrix::new();
    let store = matrix.house.store();
    let mut wrong = Vec::new();
    let mut trusted = 0;
    for shape in SHAPES {
        for what in WHATS {
            for (change, last) in keys() {
                let head = matrix.head(shape, change, last, what);
                for require in [Require::All, Require::Protected] {
                    let verdict = trust::verify(&matrix.root(require), None, &head, &store, NOW, None).unwrap();
                    let expected = model(shape, change, last, what, require);
                    trusted += usize::from(expected);
                    if rules(&verdict).is_empty() != expected {
                        wrong.push((shape, change, last, what, require, rules(&verdict)));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(trusted > 50, "{trusted} of 324");
}

/// One of the two commits is signed by ann, the other with every key.
fn keys() -> impl Iterator<Item = (Key, Key)> {
    let last = KEYS.into_iter().skip(1).map(|last| (Key::Signed, last));
    KEYS.into_iter().map(|change| (change, Key::Signed)).chain(last)
}
