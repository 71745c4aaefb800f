//! What the terminal can show. Decided once, from facts that are passed in.

use crate::report::terminal::Paint;

/// `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

/// What is known about where output goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    pub is_terminal: bool,
    /// Columns of the terminal, if there is one that says.
    pub width: Option<usize>,
    /// `NO_COLOR` is set and not empty (no-color.org).
    pub no_color: bool,
    /// `CI` or `BUILD_NUMBER` is set.
    pub is_automated: bool,
}

/// The flag beats the environment, the environment beats the terminal.
pub fn paint(choice: ColorChoice, around: Surroundings) -> Paint {
    let color = match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => around.is_terminal && !around.no_color,
    };
    if color { Paint::Color } else { Paint::Plain }
}

/// Moving progress is for people who watch.
pub fn shows_progress(around: Surroundings) -> bool {
    around.is_terminal && !around.is_automated
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMINAL: Surroundings =
        Surroundings { is_terminal: true, width: None, no_color: false, is_automated: false };

    #[test]
    fn colour_is_for_terminals_unless_somebody_says_otherwise() {
        assert_eq!(paint(ColorChoice::Auto, TERMINAL), Paint::Color);
        assert_eq!(paint(ColorChoice::Auto, Surroundings::default()), Paint::Plain);
        assert_eq!(paint(ColorChoice::Auto, Surroundings { no_color: true, ..TERMINAL }), Paint::Plain);
        assert_eq!(paint(ColorChoice::Always, Surroundings { no_color: true, ..TERMINAL }), Paint::Color);
        assert_eq!(paint(ColorChoice::Never, TERMINAL), Paint::Plain);
    }

    #[test]
    fn progress_moves_only_where_somebody_watches() {
        assert!(shows_progress(TERMINAL));
        assert!(!shows_progress(Surroundings { is_automated: true, ..TERMINAL }));
        assert!(!shows_progress(Surroundings::default()));
    }
}
