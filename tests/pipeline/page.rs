//! The report as a page, in a browser that keeps to the policy under which Jenkins serves it.

use std::fs;
use std::process::Command;

use axum::Router;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::routing::get;
use countersign::fault::Fault;
use countersign::report::{Check, Run, html};
use time::OffsetDateTime;

use super::rig::Lab;

/// There is no zone for the first.
const TWO: [(&str, &str); 2] = [("elsewhere", "www.elsewhere.test"), ("www", "www.example.com")];

/// <https://www.jenkins.io/doc/book/security/configuring-content-security-policy/>
const JENKINS: &str = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';";

/// Bars and background, as the style has them.
const GOOD: [u8; 3] = [0x2e, 0x7d, 0x32];
const GOOD_DARK: [u8; 3] = [0x6a, 0xbf, 0x6e];
const DARK_PAGE: [u8; 3] = [0x1b, 0x1c, 0x1f];

#[test]
#[ignore = "needs chromium: ci/install"]
fn the_timeline_is_drawn_under_the_policy_of_jenkins() {
    let shot = Browser::of(&page()).screenshot(false);
    assert!(shot.count(GOOD) > 5_000, "{} pixels", shot.count(GOOD));
}

#[test]
#[ignore = "needs chromium: ci/install"]
fn a_dark_theme_has_its_own_colours() {
    let shot = Browser::of(&page()).screenshot(true);
    assert_eq!(shot.pixels[0], DARK_PAGE);
    assert!(shot.count(GOOD_DARK) > 5_000, "{} pixels", shot.count(GOOD_DARK));
}

#[test]
#[ignore = "needs chromium: ci/install"]
fn on_paper_it_tells_the_same() {
    let text = Browser::of(&page()).printed();
    for told in ["What went wrong", "dns:", "www.example.com", "1 issued"] {
        assert!(text.contains(told), "{told}: {text}");
    }
}

#[test]
fn every_apply_leaves_a_page_beside_the_store() {
    let page = page();
    assert_eq!(fs::read_to_string(page.path("state/report/html/index.html")).unwrap(), page.index());
}

#[test]
fn a_page_holds_no_script_no_style_of_its_own_and_names_no_other_host() {
    let index = page().index();
    for forbidden in ["<script", "<style", "style=", "javascript:", "src=", " onload", "href=\"http"] {
        assert!(!index.contains(forbidden), "{forbidden}: {index}");
    }
}

#[test]
fn a_run_that_is_killed_leaves_a_page_that_says_so() {
    let run = Run::begun(OffsetDateTime::UNIX_EPOCH, vec![("command", "apply".to_owned())]);
    let index = html::render(&run, "the run did not come to its end");
    assert!(index.contains(r#"<p class="ending bad">the run did not come to its end</p>"#), "{index}");
}

#[test]
fn hostile_text_stays_text() {
    let mut run = Run::begun(OffsetDateTime::UNIX_EPOCH, vec![("signer", "<b>ann</b>\u{1b}[31m\u{202e}".to_owned())]);
    run.failed.insert(Check::Signature, Fault::new("acme:<i>", "</p><script>alert(1)</script>").hint("<img src=x>"));
    let index = html::render(&run, "\"><script>");
    assert!(!index.contains("<script") && !index.contains("<b>") && !index.contains("<i>") && !index.contains("<img"));
    assert!(!index.contains('\u{1b}') && !index.contains('\u{202e}'), "{index}");
}

struct Page(Lab);

/// One certificate was issued, one was not.
fn page() -> Page {
    let lab = Lab::new();
    lab.list(&TWO);
    let folder = lab.path("page");
    let ran = lab.run(&["apply", "--auto-approve", "--html", &folder.display().to_string()]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    Page(lab)
}

impl Page {
    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path(name)
    }

    fn index(&self) -> String {
        fs::read_to_string(self.path("page/index.html")).unwrap()
    }
}

/// Chromium, and the server that it gets the page from.
struct Browser<'a> {
    page: &'a Page,
    url: String,
    _runtime: tokio::runtime::Runtime,
}

impl<'a> Browser<'a> {
    fn of(page: &'a Page) -> Self {
        let index = page.index();
        let style = fs::read_to_string(page.path("page/report.css")).unwrap();
        let answer = |kind: &'static str, body: String| {
            get(move || async move { ([(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, JENKINS)], body) })
        };
        let site = Router::new().route("/", answer("text/html", index)).route("/report.css", answer("text/css", style));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, site).await });
        Self { page, url, _runtime: runtime }
    }

    /// Runs it once. It must not complain about the policy.
    fn run(&self, arguments: &[String]) {
        let profile = format!("--user-data-dir={}", self.page.path("profile").display());
        let mut command = Command::new("chromium");
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"]);
        let output = command.arg(profile).args(arguments).arg(&self.url).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("Content Security Policy"), "{said}");
    }

    fn screenshot(&self, dark: bool) -> Screenshot {
        let file = self.page.path("page.png");
        let scheme = format!("--blink-settings=preferredColorScheme={}", u8::from(!dark));
        self.run(&[format!("--screenshot={}", file.display()), scheme, "--window-size=1100,1400".to_owned()]);
        let decoder = png::Decoder::new(std::io::BufReader::new(fs::File::open(file).unwrap()));
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let channels = reader.next_frame(&mut bytes).unwrap().color_type.samples();
        Screenshot { pixels: bytes.chunks_exact(channels).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect() }
    }

    /// The text of the page on paper.
    fn printed(&self) -> String {
        let file = self.page.path("page.pdf");
        self.run(&[format!("--print-to-pdf={}", file.display())]);
        let output = Command::new("pdftotext").arg("-layout").arg(file).arg("-").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

struct Screenshot {
    pixels: Vec<[u8; 3]>,
}

impl Screenshot {
    fn count(&self, color: [u8; 3]) -> usize {
        self.pixels.iter().filter(|pixel| **pixel == color).count()
    }
}
