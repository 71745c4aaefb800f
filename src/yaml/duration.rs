//! Durations as people write them: `30m`, `12h`, `20d`.

use time::Duration;

/// Longer than any certificate has ever lived, short enough for every sum.
const LONGEST: Duration = Duration::days(3650);

/// Reads a whole number of minutes, hours or days; more than none, at most ten years.
pub fn parse(text: &str) -> Option<Duration> {
    let unit = match text.bytes().last()? {
        b'm' => Duration::MINUTE,
        b'h' => Duration::HOUR,
        b'd' => Duration::DAY,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    if digits.len() > 9 || digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let duration = unit.checked_mul(digits.parse().ok()?)?;
    (duration <= LONGEST).then_some(duration)
}

/// Writes a duration in the largest unit that divides it.
pub fn format(duration: Duration) -> String {
    let minutes = duration.whole_minutes();
    match minutes {
        _ if minutes % 1440 == 0 => format!("{}d", minutes / 1440),
        _ if minutes % 60 == 0 => format!("{}h", minutes / 60),
        _ => format!("{minutes}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        assert_eq!(parse("30m"), Some(Duration::minutes(30)));
        assert_eq!(parse("36h"), Some(Duration::hours(36)));
        assert_eq!(parse("20d"), Some(Duration::days(20)));
    }

    #[test]
    fn everything_else_is_refused() {
        let refused =
            ["", "d", "0d", "-1d", "1.5d", "20", "20 d", "2w", "99999999999d", "3651d", "1D", "+1d", "١d", "é"];
        assert!(refused.iter().all(|text| parse(text).is_none()));
    }

    #[test]
    fn a_duration_is_written_as_it_is_read() {
        assert!(["30m", "36h", "20d"].iter().all(|text| format(parse(text).unwrap()) == *text));
    }
}
