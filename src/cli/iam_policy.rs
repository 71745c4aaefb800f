//! `countersign iam-policy`: the least that AWS must allow, for the zones and buckets of a configuration.
//!
//! Sources: *Using IAM policy conditions for fine-grained access control* in Route53's developer guide, *Actions,
//! resources, and condition keys* of Route53, S3 and KMS in the service authorization reference.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::cli::args::{Global, IamPolicy as Args, IamRole};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::session::parse_name;
use crate::cli::settings;
use crate::config::{Bucket, Config, Route53, ZonePin};
use crate::fault::Fault;
use crate::name::LineageName;
use crate::report::Check;
use crate::report::terminal::plain;

/// What tells whether a bucket may hold private keys.
const GUARDS: [&str; 5] = [
    "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketPolicyStatus",
    "s3:GetBucketAcl",
    "s3:GetBucketVersioning",
    "s3:GetEncryptionConfiguration",
];

pub fn run(global: &Global, args: &Args, output: &Output) -> Exit {
    iam_policy(global, args, output).unwrap_or_else(|failure| failure.show("iam-policy", output))
}

fn iam_policy(global: &Global, args: &Args, output: &Output) -> Result<Exit, Failure> {
    let policy = policy(&settings::load(global)?, args)?;
    output.exactly(&format!("{policy:#}\n"));
    output.json("iam-policy", json!({"exit": 0, "policy": policy}));
    Ok(Exit::Done)
}

fn policy(config: &Config, args: &Args) -> Result<Value, Failure> {
    let statements = match args.role {
        IamRole::Route53 => route53(&config.dns.route53, args.assume_role.as_deref())?,
        IamRole::S3 => buckets(config, args)?.into_values().flat_map(publisher).collect(),
        IamRole::Consumer => {
            let lineage = parse_name(args.lineage.as_deref().unwrap_or_default())?;
            buckets(config, args)?.into_values().flat_map(|bucket| consumer(bucket, &lineage)).collect()
        }
        IamRole::Validate => vec![json!({"Sid": "NeedsNothing", "Effect": "Deny", "Action": "*", "Resource": "*"})],
    };
    Ok(json!({"Version": "2012-10-17", "Statement": statements}))
}

fn buckets<'c>(config: &'c Config, args: &Args) -> Result<BTreeMap<&'c String, &'c Bucket>, Failure> {
    let wanted = |name: &String| args.bucket.as_ref().is_none_or(|only| only == name);
    let found: BTreeMap<_, _> = config.buckets.iter().filter(|(name, _)| wanted(name)).collect();
    if found.is_empty() {
        let text = match &args.bucket {
            Some(name) => format!("the configuration has no bucket `{}`", plain(name)),
            None => "the configuration has no buckets".to_owned(),
        };
        let known: Vec<&str> = config.buckets.keys().map(String::as_str).collect();
        let hint = match known.is_empty() {
            true => "say under `buckets:` where certificates are published".to_owned(),
            false => format!("known buckets: {}", known.join(", ")),
        };
        let fault = Fault::new("iam:bucket", text).hint(hint);
        return Err(Failure::new(Exit::Usage, Check::Completed, fault));
    }
    Ok(found)
}

/// What the runner's credentials need, and what a role needs that they assume.
fn route53(route53: &Route53, role: Option<&str>) -> Result<Vec<Value>, Failure> {
    let own = route53.assume_role.as_deref();
    let roles: BTreeSet<&str> =
        route53.zones.values().filter_map(|pin| pin.assume_role.as_deref()).chain(own).collect();
    if let Some(role) = role.filter(|role| !roles.contains(role)) {
        let fault = Fault::new("iam:role", format!("the configuration does not assume {role}"))
            .hint("see `assume_role:` under `dns.route53`");
        return Err(Failure::new(Exit::Usage, Check::Completed, fault));
    }
    let of_whom = role.or(own);
    let reached = |pin: &&ZonePin| pin.assume_role.as_deref().or(own) == of_whom;
    let zones: BTreeMap<&String, &ZonePin> = route53.zones.iter().filter(|(_, pin)| reached(pin)).collect();
    // Whoever reaches the zones without a role of their own may have to look for them.
    let looks = of_whom == own;
    let mut statements = match looks || !zones.is_empty() {
        true if role.is_some() || own.is_none() => challenges(&zones, looks),
        _ => Vec::new(),
    };
    if role.is_none() && !roles.is_empty() {
        statements.push(allow("AssumeTheRoles", &["sts:AssumeRole"], json!(roles)));
    }
    Ok(statements)
}

/// CREATE and DELETE of TXT records of challenges only: what others put there cannot be replaced unseen.
///
/// `ForAllValues` is true for a key that is absent, so each key must be there as well.
fn challenges(pins: &BTreeMap<&String, &ZonePin>, looks: bool) -> Vec<Value> {
    let zones: Vec<String> = pins.values().map(|pin| format!("arn:aws:route53:::hostedzone/{}", pin.id)).collect();
    let names = pins.keys().flat_map(|zone| [format!("_acme-challenge.{zone}"), format!("_acme-challenge.*.{zone}")]);
    let (zones, names) = match zones.is_empty() {
        true => (vec!["arn:aws:route53:::hostedzone/*".to_owned()], vec!["_acme-challenge.*".to_owned()]),
        false => (zones, names.collect()),
    };
    let key = |name: &str| format!("route53:ChangeResourceRecordSets{name}");
    let present = |name| (key(name), json!("false"));
    let present: BTreeMap<String, Value> = ["NormalizedRecordNames", "RecordTypes", "Actions"].map(present).into();
    let mut statements = vec![
        json!({
            "Sid": "ChallengeRecordsOnly",
            "Effect": "Allow",
            "Action": "route53:ChangeResourceRecordSets",
            "Resource": zones,
            "Condition": {
                "ForAllValues:StringLike": {key("NormalizedRecordNames"): names},
                "ForAllValues:StringEquals": {key("RecordTypes"): ["TXT"], key("Actions"): ["CREATE", "DELETE"]},
                "Null": present,
            },
        }),
        allow("ReadTheZones", &["route53:ListResourceRecordSets"], json!(zones)),
        allow("WaitForChanges", &["route53:GetChange"], json!("arn:aws:route53:::change/*")),
    ];
    if looks {
        statements.push(allow("FindZones", &["route53:ListHostedZones"], json!("*")));
    }
    statements
}

fn publisher(bucket: &Bucket) -> Vec<Value> {
    let arn = format!("arn:aws:s3:::{}", bucket.bucket);
    let prefix = &bucket.prefix;
    let mut list = allow("ListThePrefix", &["s3:ListBucket"], json!(arn));
    list["Condition"] = json!({"StringLike": {"s3:prefix": [prefix, format!("{prefix}*")]}});
    let mut statements = vec![
        allow("WriteAndCompare", &["s3:PutObject", "s3:GetObject"], json!(format!("{arn}/{prefix}*"))),
        list,
        allow("SeeThatItIsClosed", &GUARDS, json!(arn)),
    ];
    if bucket.keep.is_some() {
        let versions = format!("{arn}/{prefix}*/v/*");
        statements.push(allow("DeleteOldVersions", &["s3:DeleteObject"], json!(versions)));
    }
    statements.extend(with_key(bucket, &["kms:GenerateDataKey", "kms:Decrypt"]));
    statements
}

/// No list, no other lineage.
fn consumer(bucket: &Bucket, lineage: &LineageName) -> Vec<Value> {
    let objects = format!("arn:aws:s3:::{}/{}{lineage}/*", bucket.bucket, bucket.prefix);
    let mut statements = vec![allow("ReadOneLineage", &["s3:GetObject"], json!(objects))];
    statements.extend(with_key(bucket, &["kms:Decrypt"]));
    statements
}

/// An alias is no resource of IAM: for one the condition names it.
fn with_key(bucket: &Bucket, actions: &[&str]) -> Option<Value> {
    let key = bucket.kms_key.as_deref()?;
    let region = bucket.region.as_deref().unwrap_or("*");
    let mut condition = json!({"StringLike": {"kms:ViaService": format!("s3.{region}.amazonaws.com")}});
    let resource = match key {
        arn if arn.starts_with("arn:") && !arn.contains(":alias/") => arn.to_owned(),
        id if !id.contains("alias/") => format!("arn:aws:kms:{region}:*:key/{id}"),
        alias => {
            let name = &alias[alias.find("alias/").unwrap_or(0)..];
            condition["ForAnyValue:StringEquals"] = json!({"kms:ResourceAliases": name});
            format!("arn:aws:kms:{region}:*:key/*")
        }
    };
    let mut statement = allow("UseTheKey", actions, json!(resource));
    statement["Condition"] = condition;
    Some(statement)
}

fn allow(sid: &str, actions: &[&str], resource: Value) -> Value {
    json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource})
}
