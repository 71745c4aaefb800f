//! Every code of a diagnostic in the list or in the runner's config. A code never changes its meaning.

use super::Severity;

macro_rules! codes {
    ($($variant:ident $name:literal $severity:ident $description:literal)*) => {
        /// The code of a diagnostic.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $description] $variant,)*
        }

        impl Code {
            /// All codes: the text first, then YAML, then the keys of a file, then the list as a whole.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The stable kebab-case name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity),* }
            }

            /// One sentence for `docs/rules.md` and `explain`.
            pub fn description(self) -> &'static str {
                match self { $(Self::$variant => $description),* }
            }
        }
    };
}

codes! {
    NoList "no-list" Error "There is no file to read the list from."
    FileTooLarge "file-too-large" Error "A file has more than 16 MiB."
    NotUtf8 "not-utf8" Error "A file is not UTF-8."
    ByteOrderMark "byte-order-mark" Error "A file starts with a byte order mark."
    ControlCharacter "control-character" Error "A file contains a control character other than line feed, CR LF and tab."
    LineSeparator "line-separator" Error "A file contains a character that only some readers take for a line break (U+0085, U+2028, U+2029)."
    BidiControl "bidi-control" Error "A file contains a character that changes the direction of text, so that it reads differently from what it says."
    InvisibleCharacter "invisible-character" Error "A file contains a character that cannot be seen."

    PrivateKey "private-key" Error "A file holds a private key; the rest of the file is not examined."

    YamlSyntax "yaml-syntax" Error "A file is not valid YAML 1.2; the rest of the file is not examined."
    SeveralDocuments "several-documents" Error "A file holds more than one YAML document."
    YamlAnchor "yaml-anchor" Error "A file uses a YAML anchor (`&`); every entry is written out."
    YamlAlias "yaml-alias" Error "A file uses a YAML alias (`*`), often by a wildcard name without quotes."
    YamlTag "yaml-tag" Error "A file uses a YAML tag (`!`)."
    YamlMergeKey "yaml-merge-key" Error "A file uses the YAML merge key `<<`."

    DuplicateKey "duplicate-key" Error "A mapping has the same key twice."
    UnknownKey "unknown-key" Error "A mapping has a key that has no meaning there."
    MissingKey "missing-key" Error "A mapping lacks a required key."
    WrongType "wrong-type" Error "A value is of another kind than its key asks for."
    UnsupportedVersion "unsupported-version" Error "The `version` of a file is not 1; the rest of the file is not examined."
    BadValue "bad-value" Error "A value does not have the form that its key asks for."
    BadDuration "bad-duration" Error "A duration is not a whole number of minutes, hours or days such as `30m`, `12h` or `20d`."

    BadName "bad-name" Error "The name of a certificate is not of the form `[a-z0-9][a-z0-9._-]{0,62}` without `..`."
    BadIdentifier "bad-identifier" Error "A domain is not a DNS name that a public CA would certify."
    BadKeyType "bad-key-type" Error "A key type is none of `ecdsa-p256`, `ecdsa-p384`, `rsa-2048`, `rsa-3072`, `rsa-4096`."
    BadChallenge "bad-challenge" Error "A challenge is neither `dns-01` nor `http-01`."
    UnansweredChallenge "unanswered-challenge" Error "A challenge needs something that the runner's config does not have."
    MustStaple "must-staple" Error "A certificate asks for OCSP must-staple, which public CAs no longer issue."
    UnknownAuthority "unknown-authority" Error "An authority is neither built in nor in the runner's config."
    UnknownBucket "unknown-bucket" Error "A bucket is not in the runner's config."
    UnknownProvided "unknown-provided" Error "The runner's config has no files for a certificate that is provided."
    UnknownGivenKey "unknown-given-key" Error "The runner's config has no file for a key that is given."
    ProvidedAndOrdered "provided-and-ordered" Error "A certificate that is provided also says how to order it."
    BadCsr "bad-csr" Error "A certificate request cannot be used: its form, its signature, its key or what it asks for."
    CsrNames "csr-names" Error "A certificate request is for other names than the certificate."
    IdnNormalised "idn-normalised" Warning "A domain is written with letters outside ASCII; the certificate holds its A-label."
    MixedScript "mixed-script" Warning "A label of a domain mixes letters of scripts that look alike."

    EmptyDomains "empty-domains" Error "A certificate has no domains."
    DuplicateIdentifier "duplicate-identifier" Error "A certificate has the same domain twice."
    WildcardCoversSibling "wildcard-covers-sibling" Error "A certificate has a wildcard and a name that the wildcard covers; CAs refuse such orders."
    WildcardHttp01 "wildcard-http-01" Error "A certificate with a wildcard asks for http-01, which cannot validate wildcards."
    TooManyIdentifiers "too-many-identifiers" Error "A certificate has more domains than its profile allows: 25 for `tlsserver` and `shortlived`, else 100."
    RenewBeforeTooLong "renew-before-too-long" Error "`renew.before` is not under half the lifetime of the certificate, so it would be renewed all the time."
    DuplicateName "duplicate-name" Error "Two certificates have the same name."
    LineageNamesCollide "lineage-names-collide" Error "Two names are equal once everything but letters and digits becomes `_`, as Jenkins does."
    DuplicateIdentifierSet "duplicate-identifier-set" Error "Two certificates have the same domains and the same key type."
    IdentifierClaimedTwice "identifier-claimed-twice" Error "Two certificates of the same key type have a domain in common."
    WildcardCoversOther "wildcard-covers-other" Warning "A wildcard in one certificate covers a domain of another."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case_and_unique() {
        let names: std::collections::BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(
            names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
        );
    }
}
