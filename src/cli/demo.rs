//! `countersign demo`: the whole pipeline on stand-ins, by the same commands that an operator types.

use std::process::Command;
use std::time::Duration;

use crate::cli::args::Demo as Args;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::runtime::runtime;
use crate::cli::sandbox::Playground;
use crate::fault::Fault;

/// What nobody with an allowed key asked for.
const ON_THE_SLY: &str = "\
version: 1
defaults: {authority: sandbox, publish: [certs]}
certificates:
  - name: evil
    domains: [login.example.com]
";

pub fn run(args: &Args, output: &Output) -> Exit {
    demo(args, output).map_or_else(|failure| failure.show("demo", output), |()| Exit::Done)
}

fn demo(args: &Args, output: &Output) -> Result<(), Failure> {
    let runtime = runtime()?;
    let playground = runtime.block_on(Playground::start(&args.dir, Duration::from_secs(1)))?;
    let show = Show { playground: &playground, output };
    let dir = playground.dir.display();
    let orders = || playground.sandbox.log().count("newOrder");

    show.title("A config repo with signed commits is verified");
    show.command(&["verify"], Exit::Done)?;
    show.title("The plan says what an apply would do");
    show.command(&["plan", "--out", &format!("{dir}/plan.json")], Exit::Done)?;
    show.title("The saved plan is applied: one wave of ACME orders, one wait for DNS, then S3");
    let (junit, html) = (format!("{dir}/junit.xml"), format!("{dir}/html"));
    let plan = format!("{dir}/plan.json");
    show.command(&["apply", &plan, "--junit", &junit, "--html", &html], Exit::Done)?;
    show.title("A second apply finds nothing to do");
    let before = orders();
    show.command(&["apply", "--auto-approve"], Exit::Done)?;
    show.expect(orders() == before, "a second apply must not order anything")?;
    show.title("Somebody pushes a commit that is not signed");
    playground.repo.commit(&[("domains.yaml", ON_THE_SLY)], "Nothing to see here", None)?;
    show.command(&["apply", "--auto-approve", "--junit", &format!("{dir}/junit-refused.xml")], Exit::Refused)?;
    show.expect(orders() == before, "an unsigned commit must not lead to an order")?;
    show.title("It was refused before any order");
    output.text(&format!(
        "The CA saw {before} orders, none of them for the unsigned commit. What the demo left in {dir}:

  state/live/www/fullchain.pem    a certificate and its chain; state/ is the lineage store (docs/store.md)
  plan.json                       the saved plan
  junit.xml, junit-refused.xml    what Jenkins reads
  html/index.html                 the same for people, in a browser
  countersign.yaml                the configuration that made it so

Try next:

  openssl x509 -in {dir}/state/live/www/cert.pem -noout -text
  countersign --config {dir}/countersign.yaml status
  countersign sandbox --dir OTHER_DIR     keeps the stand-ins running, to play with the list
"
    ));
    Ok(())
}

struct Show<'a> {
    playground: &'a Playground,
    output: &'a Output,
}

impl Show<'_> {
    fn title(&self, text: &str) {
        self.output.text(&format!("\n{}\n", self.output.paint.bold(&format!("== {text}"))));
    }

    /// Runs a command of this program as its own process, with the stand-ins' credentials in the environment.
    fn command(&self, args: &[&str], expected: Exit) -> Result<(), Fault> {
        self.output.text(&self.output.paint.dim(&format!("$ countersign {}\n", args.join(" "))));
        let cannot =
            |error: std::io::Error| Fault::new("demo:command", "failed to run countersign itself").caused_by(&error);
        let status = Command::new(std::env::current_exe().map_err(cannot)?)
            .args(args)
            .env("COUNTERSIGN_CONFIG", self.playground.config())
            .envs(self.playground.environment())
            .status()
            .map_err(cannot)?;
        self.expect(status.code() == Some(expected as i32), &format!("the command must exit with {}", expected as i32))
    }

    fn expect(&self, holds: bool, what: &str) -> Result<(), Fault> {
        if holds { Ok(()) } else { Err(Fault::new("demo:surprise", what).hint("this is a bug: please report it")) }
    }
}
