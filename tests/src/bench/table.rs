//! Tables in Markdown that can also be read as they are.

use std::fmt;

use super::stats::Samples;

/// One table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Its heading.
    pub title: &'static str,
    /// What was done, in a sentence or two.
    pub about: String,
    /// Names of columns; the first is that of the rows.
    pub header: Vec<&'static str>,
    /// Cells.
    pub rows: Vec<Vec<String>>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header: Vec<String> = self.header.iter().map(ToString::to_string).collect();
        let all = || std::iter::once(&header).chain(&self.rows);
        let width = |column: usize| {
            let cells = all().filter_map(|row| row.get(column));
            // Markdown wants at least three dashes below a heading.
            cells.map(|cell| cell.chars().count()).fold(3, usize::max)
        };
        let widths: Vec<usize> = (0..header.len()).map(width).collect();
        writeln!(f, "**{}.** {}\n", self.title, self.about)?;
        for (number, row) in all().enumerate() {
            write!(f, "|")?;
            for (cell, width) in row.iter().zip(&widths) {
                write!(f, " {cell:width$} |")?;
            }
            writeln!(f)?;
            if number == 0 {
                write!(f, "|")?;
                for (column, width) in widths.iter().enumerate() {
                    let colon = if column == 0 { "-" } else { ":" };
                    write!(f, " {}{colon} |", "-".repeat(width - 1))?;
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

/// What stands for a value that there is not.
pub const NONE: &str = "–";

/// Seconds as seconds, from 10 ms on, else as milliseconds.
#[must_use]
pub fn time(seconds: f64) -> String {
    if seconds < 0.1 {
        format!("{:.2} ms", seconds * 1e3)
    } else {
        format!("{seconds:.2} s")
    }
}

/// Median and worst: `0.62 s (0.70 s)`.
#[must_use]
pub fn median_and_worst(samples: &Samples) -> String {
    if samples.is_empty() {
        return NONE.to_owned();
    }
    let (median, worst) = (time(samples.median()), time(samples.worst()));
    format!("{median} ({worst})")
}

/// How many times `of` this is.
#[must_use]
pub fn ratio(value: f64, of: f64) -> String {
    if value > 0.0 && of > 0.0 {
        format!("{:.2}", value / of)
    } else {
        NONE.to_owned()
    }
}

/// KiB as MiB.
#[must_use]
pub fn mebibytes(kib: f64) -> String {
    format!("{:.1} MiB", kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let table = Table {
            title: "Title",
            about: "About.".to_owned(),
            header: vec!["who", "how long"],
            rows: vec![vec!["BIRD".to_owned(), time(0.7)]],
        };
        let expected = "**Title.** About.\n\n\
                        | who  | how long |\n\
                        | ---- | -------: |\n\
                        | BIRD | 0.70 s   |\n";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn values_are_told_in_units_that_fit() {
        assert_eq!(
            (time(0.25).as_str(), time(0.0012).as_str()),
            ("0.25 s", "1.20 ms")
        );
        assert_eq!(
            (ratio(1.0, 2.0).as_str(), ratio(1.0, 0.0).as_str()),
            ("0.50", NONE)
        );
        assert_eq!(mebibytes(1536.0), "1.5 MiB");
    }
}
