//! Questions to whoever sits at the terminal. What cannot be taken back is not done without an answer.

use std::io::{BufRead, IsTerminal};

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::fault::Fault;
use crate::report::Check;

/// Whether somebody can be asked.
pub fn can_ask(output: &Output) -> bool {
    std::io::stdin().is_terminal() && output.around.is_terminal
}

/// Goes on after a `yes`.
///
/// # Errors
/// `run:declined` (exit 4) for any other answer.
pub fn for_yes(question: &str, output: &Output) -> Result<(), Failure> {
    output.error(&format!("{question} Only `yes` is taken for an answer: "));
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    if !answer.ends_with('\n') {
        output.error("\n");
    }
    if read.is_ok() && answer.trim() == "yes" {
        return Ok(());
    }
    let fault = Fault::new("run:declined", "nothing was done: the answer was not `yes`")
        .hint("run it again and type the whole word, if it is to be done after all");
    Err(Failure::new(Exit::Refused, Check::Completed, fault))
}

/// Nobody is there to ask.
pub fn nobody(message: &str, hint: &str) -> Failure {
    Failure::new(Exit::Usage, Check::Completed, Fault::new("run:unasked", message).hint(hint))
}

/// Goes on after a `yes`, or at once if it was given on the command line.
///
/// # Errors
/// `run:unasked` (exit 64) if there is no terminal, and as [`for_yes`].
pub fn confirmed(question: &str, auto_approve: bool, output: &Output) -> Result<(), Failure> {
    if auto_approve {
        return Ok(());
    }
    if !can_ask(output) {
        return Err(nobody("this cannot be taken back, and there is no terminal to ask at", "give --auto-approve"));
    }
    for_yes(question, output)
}
