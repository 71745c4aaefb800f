//! What a CA issued and nobody may use.

use std::time::Duration;

use super::Errors;
use crate::issuer::Issuer;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn of_what_was_issued() {
    let mut errors = Errors::new();
    errors.lab.list(&[("www", "www.example.com")]);
    errors.configure("root: ca-root.pem", "root: ca-root.pem, anchors: roots.pem");
    errors.apply("the roots are not there");
    errors.lab.write("roots.pem", "x");
    errors.apply("the roots are none");
    errors.lab.write("roots.pem", &Issuer::new().root());
    errors.apply("it leads to another root");
    errors.as_before();
    errors.lab.forget_back_off();
    errors.lab.sandbox.advance(HOUR + HOUR / 2);
    errors.apply("the clock of the CA is ahead");
    errors.lab.list(&[("api", "api.example.com")]);
    errors.lab.sandbox.advance(HOUR);
    errors.apply("the clock of the CA is far ahead");
    errors.hold("issued");
}
