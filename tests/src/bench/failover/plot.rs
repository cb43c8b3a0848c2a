//! The picture beside the table: every repetition is a mark.

use std::fmt::Write;

use super::{Event, Results, Setup, Speaker};

/// Pixels.
const ROW: u32 = 26;
const LABELS: u32 = 330;
const WIDTH: u32 = 560;
const TOP: u32 = 50;
/// Packets at the right end, as a power of ten.
const DECADES: u32 = 5;

/// Packets lost on a scale of tens, rcni-bgp above and BIRD below the line of each row.
#[must_use]
pub(super) fn svg(results: &Results) -> String {
    let mut rows: Vec<(Event, bool, u32)> = results
        .rows()
        .iter()
        .map(|(setup, event)| (*event, setup.bfd, setup.routes))
        .collect();
    rows.sort_by_key(|(event, bfd, routes)| (*event, !bfd, *routes));
    rows.dedup();
    let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    let (width, height) = (LABELS + WIDTH + 30, TOP + count * ROW + 40);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"18\" font-size=\"14\">Packets lost, of 1,000 a second each way (both directions together)</text>\n\
         <circle cx=\"16\" cy=\"34\" r=\"4\" fill=\"#1b6ca8\"/><text x=\"26\" y=\"38\">rcni-bgp</text>\n\
         <rect x=\"96\" y=\"30\" width=\"8\" height=\"8\" fill=\"#d1603d\"/><text x=\"110\" y=\"38\">BIRD 2</text>\n"
    );
    for decade in 0..=DECADES {
        let (x, packets) = (
            at(if decade == 0 {
                0
            } else {
                10_u64.pow(decade - 1)
            }),
            decade,
        );
        let label = if packets == 0 {
            0
        } else {
            10_u64.pow(packets - 1)
        };
        let bottom = TOP + count * ROW;
        // Writing to a String does not fail.
        let _ = writeln!(
            out,
            "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"#ddd\"/>\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            bottom + 18
        );
    }
    for (number, row) in (0_u32..).zip(&rows) {
        marks(&mut out, results, *row, TOP + number * ROW + ROW / 2);
    }
    out.push_str("</svg>\n");
    out
}

fn marks(out: &mut String, results: &Results, row: (Event, bool, u32), y: u32) {
    let (event, bfd, routes) = row;
    let without = if bfd { "" } else { ", without BFD" };
    let name = event.name();
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}{without}, {routes} routes</text>",
        LABELS - 10,
        y + 4
    );
    for speaker in Speaker::ALL {
        let setup = Setup {
            speaker,
            bfd,
            routes,
        };
        for sample in results.of(setup, event) {
            let x = at(sample.from_node + sample.to_node);
            let _ = match speaker {
                Speaker::Rcni => writeln!(
                    out,
                    "<circle cx=\"{x:.1}\" cy=\"{}\" r=\"4\" fill=\"#1b6ca8\" fill-opacity=\"0.5\"/>",
                    y - 5
                ),
                Speaker::Bird => writeln!(
                    out,
                    "<rect x=\"{:.1}\" y=\"{}\" width=\"8\" height=\"8\" fill=\"#d1603d\" fill-opacity=\"0.5\"/>",
                    x - 4.0,
                    y + 1
                ),
            };
        }
    }
}

/// 0 is at the left, 1 a decade further.
#[expect(clippy::cast_precision_loss, reason = "pixels")]
fn at(packets: u64) -> f64 {
    let decades = match packets {
        0 => 0.0,
        some => 1.0 + (some as f64).log10(),
    };
    f64::from(LABELS) + 10.0 + decades / f64::from(DECADES) * f64::from(WIDTH - 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_further_to_the_right() {
        let places: Vec<f64> = [0, 1, 2, 10, 1_000].map(at).to_vec();
        assert!(places.is_sorted() && places[0] < places[1]);
        assert!(svg(&Results::default()).ends_with("</svg>\n"));
    }
}
