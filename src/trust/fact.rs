//! What an entry of the list says, fact by fact, so that each can be traced to whoever made it so.

use std::borrow::Cow;

use crate::list::Certificate;
use crate::name::Identifier;
use crate::yaml::duration;

/// One thing that an entry says of its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact<'a> {
    /// That it has this identifier.
    Domain(&'a Identifier),
    /// That it is published to this bucket.
    Bucket(&'a str),
    Authority,
    KeyType,
    /// Where the key comes from.
    KeySource,
    Challenge,
    Profile,
    Chain,
    Renewal,
    /// That somebody else's certificate is used, and whose.
    Provided,
    /// Where it is to be looked at.
    Served,
}

impl<'a> Fact<'a> {
    const SETTINGS: [Self; 9] = [
        Self::Authority,
        Self::KeyType,
        Self::KeySource,
        Self::Challenge,
        Self::Profile,
        Self::Chain,
        Self::Renewal,
        Self::Provided,
        Self::Served,
    ];

    /// The facts in which two entries differ. Of an entry that is gone, only its identifiers count.
    pub fn differences(before: Option<&'a Certificate>, after: Option<&'a Certificate>) -> Vec<Self> {
        let both = [before, after];
        let domains = both.into_iter().flatten().flat_map(|entry| entry.identifiers.iter().map(Fact::Domain));
        let buckets = both.into_iter().flatten().flat_map(|entry| entry.publish.iter().map(|name| Fact::Bucket(name)));
        let settings = buckets.chain(Self::SETTINGS).filter(|_| after.is_some());
        let mut facts: Vec<_> =
            domains.chain(settings).filter(|fact| fact.value(before) != fact.value(after)).collect();
        facts.sort();
        facts.dedup();
        facts
    }

    /// Whether every entry says something about it, be it nothing.
    pub fn is_setting(&self) -> bool {
        !matches!(self, Self::Domain(_) | Self::Bucket(_))
    }

    /// What an entry says about it. `None`: nothing, or there is no entry.
    pub fn value<'c>(&self, entry: Option<&'c Certificate>) -> Option<Cow<'c, str>> {
        let entry = entry?;
        // Does not compile without a field: of an entry nothing may change for which nobody stands.
        let Certificate {
            name: _,
            identifiers,
            authority,
            key,
            key_source,
            challenge,
            profile: _,
            preferred_profile: _,
            preferred_chain,
            provided,
            publish,
            renew_before,
            served,
        } = entry;
        match self {
            Fact::Domain(identifier) => identifiers.contains(identifier).then_some("".into()),
            Fact::Bucket(name) => publish.contains(*name).then_some("".into()),
            Fact::Authority => Some(authority.as_str().into()),
            Fact::KeyType => Some(key.as_str().into()),
            Fact::KeySource => Some(key_source.to_string().into()),
            Fact::Challenge => Some(challenge.as_str().into()),
            Fact::Profile => Some(match entry.wanted_profile() {
                Some((name, true)) => name.into(),
                Some((name, false)) => format!("{name} preferred").into(),
                None => "".into(),
            }),
            Fact::Chain => Some(preferred_chain.as_deref().unwrap_or_default().into()),
            Fact::Provided => Some(provided.as_deref().unwrap_or_default().into()),
            Fact::Served => Some(served.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ").into()),
            Fact::Renewal => Some(renew_before.map(duration::format).unwrap_or_default().into()),
        }
    }

    /// A change of it, as a part of a sentence without the name of the lineage.
    pub fn changed(&self) -> String {
        match self {
            Fact::Domain(identifier) => format!("`{identifier}`"),
            Fact::Bucket(name) => format!("publishing to `{name}`"),
            Fact::Authority => "the authority".into(),
            Fact::KeyType => "the key type".into(),
            Fact::KeySource => "where the key comes from".into(),
            Fact::Challenge => "the challenge".into(),
            Fact::Profile => "the profile".into(),
            Fact::Chain => "the preferred chain".into(),
            Fact::Renewal => "the time of renewal".into(),
            Fact::Provided => "the provided certificate".into(),
            Fact::Served => "where it is served".into(),
        }
    }
}
