//! Figures with their units, as people read them.

/// A time, in the unit that suits it.
pub(super) fn time(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    match seconds {
        s if s < 0.001 => "less than 1 ms".to_owned(),
        s if s < 1.0 => format!("{:.0} ms", s * 1_000.0),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3_600.0),
        s => format!("{:.0} d", s / 86_400.0),
    }
}

/// So many of something.
pub(super) fn many(count: i64, one: &str, more: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {more}"),
    }
}

/// The first few of a list, and how many there are besides.
pub(super) fn few(all: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = all[..all.len().min(SHOWN)].join(", ");
    match all.len().saturating_sub(SHOWN) {
        0 => shown,
        rest => format!("{shown} and {rest} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_the_unit_that_suits_it() {
        let said = [0.004, 15.0, 600.0, 10_000.0, 600_000.0].map(time);
        assert_eq!(said, ["4 ms", "15 s", "10 min", "3 h", "7 d"]);
        assert_eq!(time(-1.0), "less than 1 ms");
    }

    #[test]
    fn a_list_is_short() {
        let all: Vec<String> = (0..7).map(|number| number.to_string()).collect();
        assert_eq!(few(&all), "0, 1, 2, 3, 4 and 2 more");
        assert_eq!(few(&all[..2]), "0, 1");
    }
}
