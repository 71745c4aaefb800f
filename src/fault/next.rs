//! What to do about a failure whose maker says nothing better.

/// The next step for a code. Every failure has one: where it is shown, somebody asks what now.
pub fn step(code: &str) -> String {
    let Some((origin, kind)) = code.split_once(':') else {
        return format!("`countersign explain {code}` says what satisfies it");
    };
    match (origin, kind) {
        (_, "bug") => "please report it, with what `-vv` says before it",
        ("run", "output") => "make room where standard output leads, then run it again",
        ("run", "incomplete") => "run it again: what was begun is continued",
        ("acme", kind) => acme(kind),
        ("dns", "cname-chain") => "let the CNAME records of that name lead to one place, in a few steps",
        ("http", "bad-token") => "the CA sent what RFC 8555 section 8.3 forbids: tell its operators, or take dns-01",
        ("dns", _) => {
            "see that the domain exists and that this host may ask name servers at port 53; `nameservers:` names others"
        }
        ("key", _) => "see the file that `given_keys:` names for it: PEM without a passphrase, mode 0600",
        ("program" | "exec" | "hooks", _) => "run it by hand as the user of countersign: it has to end with 0",
        ("served", _) => "see what serves there",
        ("expiry", _) => "`countersign plan` says what the next run does about it",
        ("plan", _) => "make a new plan: `countersign plan --out FILE`",
        ("route53", "InternalError" | "ServiceUnavailable" | "Throttling" | "PriorRequestNotComplete") => {
            "Route53 is in trouble or is asked too much: the next run continues where this one stopped"
        }
        ("route53", kind) if kind.starts_with("http-5") => {
            "Route53 or a proxy before it is in trouble: the next run continues where this one stopped"
        }
        ("route53", _) => "see `dns.route53:`; `countersign iam-policy route53` prints what its credentials need",
        ("s3", "ConditionalRequestConflict" | "InternalError" | "ServiceUnavailable" | "SlowDown") => {
            "S3 is in trouble or is asked too much: the next run uploads what is missing"
        }
        ("s3", _) => "see the bucket's entry; `countersign iam-policy s3` prints what its credentials need",
        ("journal", _) => {
            "if it comes again, move the files of that name out of `journal/` in the state directory: the next run begins \
             a new order"
        }
        ("git", "object") => {
            "in a clone see `git fsck`; the runner's own copy is `git/` in the state directory: remove it, and the next \
             run fetches it again"
        }
        ("git", _) => "see that `repository.url` is right and that its server can be reached from here",
        ("store", _) => {
            "see that the state directory is whole and this user's, and that the disk has room; then run it again"
        }
        ("check", "malformed" | "chain") => {
            "a chain is PEM: the leaf and then its issuers in their order, without text between them"
        }
        ("check", "key-mismatch") => {
            "`openssl x509 -in CERT -noout -pubkey` and `openssl pkey -in KEY -pubout` have to print the same"
        }
        ("check", _) => "it is not used, and what is live stays: see where it comes from",
        ("config", _) => "policy/countersign.example.yaml explains every key, `countersign schema config` lists them",
        ("import" | "restore" | "export", _) => "nothing was changed: mend it, then run the command again",
        _ => "run it again with `-vv` to see each step",
    }
    .into()
}

/// The error types of RFC 8555 section 6.7 and its like, and codes of our own.
fn acme(kind: &str) -> &'static str {
    match kind {
        "accountDoesNotExist" => {
            "see that `directory:` of the authority is that of the CA which has the account; if the CA has lost it, \
             `countersign account deactivate` forgets it and the next order makes another"
        }
        "account-key" => "name a file with the private key of the account, in PEM",
        "bad-root" => "have `root:` of the authority name a file with its certificate, in PEM",
        "badCSR" | "badPublicKey" | "malformed" => {
            "what the CA says names what it does not take: change `key:`, `domains:` or `csr:` in the list"
        }
        "badSignatureAlgorithm" => {
            "this CA takes no P-256 account keys, and countersign makes no others: ask another CA"
        }
        "caa" => {
            "a CAA record of the name or of a parent forbids this CA or this account; `countersign doctor` shows it"
        }
        "connection" | "dns" | "tls" => {
            "the CA could not look at the name: see that its name servers, and for http-01 its web server, answer the \
             whole internet; the next run tries again"
        }
        "externalAccountRequired" => {
            "this CA binds new accounts to an external one: give the authority `eab: {kid: …, hmac_file: …}`, as the \
             CA's account page shows them"
        }
        "incorrectResponse" | "unauthorized" => {
            "the CA found something else than our answer, or nothing: see who serves the name that it tells, and that all \
             its servers say the same; the next run tries again"
        }
        "invalidContact" | "unsupportedContact" => {
            "correct `contact:` of the authority in the runner's config, such as `[\"mailto:ops@example.com\"]`"
        }
        "invalidProfile" => "take a `profile:` that the CA's directory names",
        "bad-url" | "no-directory" | "http-401" | "http-403" | "http-404" | "http-405" => {
            "correct `directory:` of the authority: the URL that the CA's documentation gives; a proxy may also answer in \
             the CA's place"
        }
        "rateLimited" => "the next run tries again when the limit allows it; `countersign plan` prices orders",
        "rejectedIdentifier" | "unsupportedIdentifier" => {
            "this CA does not issue for one of the names: take it out of the list, or ask another CA"
        }
        "timeout" => {
            "the next run continues where this one stopped; `timeout:` of the authority says how many seconds an answer may \
             take"
        }
        "userActionRequired" => "open the address in the message and agree to the new terms of service",
        "authorization" | "invalid" | "order-gone" | "order-pending" => {
            "the next run orders anew; if that ends the same way, ask the CA about the order whose URL is in the report"
        }
        "no-revocation" => {
            "this CA revokes nothing over ACME: ask it another way, and replace the certificate: \
             `countersign apply --force NAME --reason TEXT`"
        }
        "not-offered" => "let the list ask for another way: `challenge: dns-01` or `challenge: http-01`",
        "badNonce" | "malformed-reply" | "serverInternal" => {
            "the CA is in trouble: see its status page; the next run tries again, and `countersign status` tells when"
        }
        kind if kind.starts_with("http-5") => acme("serverInternal"),
        _ => "what the CA says decides; the next run tries again, and `countersign status` tells when",
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::Fault;

    #[test]
    fn a_failure_without_a_hint_of_its_own_has_the_next_step_of_its_origin() {
        let hint = Fault::new("program:failed", "it ended with 1").hint.unwrap();
        assert!(hint.contains("by hand"), "{hint}");
    }

    #[test]
    fn a_rule_is_explained_by_a_command() {
        assert_eq!(
            Fault::new("S01-unsigned", "not signed").hint.as_deref(),
            Some("`countersign explain S01-unsigned` says what satisfies it")
        );
    }

    #[test]
    fn whoever_knows_better_says_so() {
        assert_eq!(Fault::new("served:tls", "no handshake").hint("wait").hint.as_deref(), Some("wait"));
    }
}
