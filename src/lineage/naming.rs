//! Under which names the files of a version are kept, for whoever reads them.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::Pems;
use crate::secret::Secret;

/// Names besides those of certbot, which are always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Naming {
    /// `cert`, `chain`, `fullchain`, `privkey` and `url`, as in acmetool's `live/<name>/`.
    Acmetool,
    /// `combined.pem`: the key and then the chain, as HAProxy's `crt` takes it.
    Haproxy,
}

impl Naming {
    pub const ALL: [Self; 2] = [Self::Acmetool, Self::Haproxy];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acmetool => "acmetool",
            Self::Haproxy => "haproxy",
        }
    }

    pub fn parse(word: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|naming| naming.as_str() == word);
        known.ok_or_else(|| format!("`{word}` is no naming; there are acmetool and haproxy, besides certbot's"))
    }
}

/// A file of a version.
pub struct File {
    pub name: String,
    /// Wiped when dropped: it may be the key.
    pub bytes: Zeroizing<Vec<u8>>,
    /// Whether it holds the key.
    pub secret: bool,
}

/// The names of [`files`], each with whether it holds the key.
pub fn names(has_key: bool, url: &str, also: &BTreeSet<Naming>) -> Vec<(String, bool)> {
    let privkey = has_key.then(|| Secret::new(String::new()));
    let nothing = Pems { privkey, cert: String::new(), chain: String::new() };
    files(&nothing, url, also).into_iter().map(|file| (file.name, file.secret)).collect()
}

/// The files of a version: certbot's first, then the others. `url` is left out if it is empty, and so is every file with
/// the key if the key is not known.
pub fn files(pems: &Pems, url: &str, also: &BTreeSet<Naming>) -> Vec<File> {
    let file = |name: &str, text: &str, secret| File {
        name: name.to_owned(),
        bytes: Zeroizing::new(text.as_bytes().to_vec()),
        secret,
    };
    let fullchain = pems.fullchain();
    let key = pems.privkey.as_ref().map(Secret::reveal);
    let mut texts = vec![("cert", pems.cert.as_str()), ("chain", &pems.chain), ("fullchain", &fullchain)];
    texts.extend(key.map(|key| ("privkey", key)));
    let is_key = |name: &str| name == "privkey";
    let mut files: Vec<File> =
        texts.iter().map(|(name, text)| file(&format!("{name}.pem"), text, is_key(name))).collect();
    if also.contains(&Naming::Acmetool) {
        files.extend(texts.iter().map(|(name, text)| file(name, text, is_key(name))));
        files.extend((!url.is_empty()).then(|| file("url", &format!("{url}\n"), false)));
    }
    if let Some(key) = key.filter(|_| also.contains(&Naming::Haproxy)) {
        let whole = Zeroizing::new(format!("{key}{fullchain}"));
        files.push(file("combined.pem", &whole, true));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(url: &str, also: &[Naming]) -> Vec<(String, String, bool)> {
        let pems = Pems { privkey: Some(Secret::new("key\n".into())), cert: "cert\n".into(), chain: "chain\n".into() };
        let also = also.iter().copied().collect();
        let files = files(&pems, url, &also);
        let text = |file: &File| String::from_utf8(file.bytes.to_vec()).unwrap();
        files.iter().map(|file| (file.name.clone(), text(file), file.secret)).collect()
    }

    #[test]
    fn certbots_names_are_always_there_and_only_the_key_is_secret() {
        let expected = [
            ("cert.pem", "cert\n", false),
            ("chain.pem", "chain\n", false),
            ("fullchain.pem", "cert\nchain\n", false),
            ("privkey.pem", "key\n", true),
        ];
        assert_eq!(named("", &[]), expected.map(|(name, text, secret)| (name.into(), text.into(), secret)));
    }

    #[test]
    fn acmetools_names_have_no_suffix_and_a_url_if_it_is_known() {
        let names =
            |url| named(url, &[Naming::Acmetool]).into_iter().skip(4).map(|(name, ..)| name).collect::<Vec<_>>();
        assert_eq!(names("https://ca/cert/1"), ["cert", "chain", "fullchain", "privkey", "url"]);
        assert_eq!(names(""), ["cert", "chain", "fullchain", "privkey"]);
    }

    #[test]
    fn without_the_key_no_file_that_would_hold_it_is_named() {
        let all = Naming::ALL.into();
        let names = |has_key| names(has_key, "https://ca/cert/1", &all).into_iter();
        let secret: Vec<String> = names(true).filter(|(_, secret)| *secret).map(|(name, _)| name).collect();
        assert_eq!(secret, ["privkey.pem", "privkey", "combined.pem"]);
        assert_eq!(names(false).collect::<Vec<_>>(), names(true).filter(|(_, secret)| !secret).collect::<Vec<_>>());
    }

    #[test]
    fn haproxy_reads_the_key_and_then_the_chain_from_one_secret_file() {
        let last = named("", &[Naming::Haproxy]).pop().unwrap();
        assert_eq!(last, ("combined.pem".into(), "key\ncert\nchain\n".into(), true));
    }
}
