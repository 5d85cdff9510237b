//! QR codes as SVG and as PNG.

use std::fmt::Write as _;

use fast_qr::{ECL, QRBuilder, QRCode};

/// Modules of white around it, as the standard asks.
const QUIET: usize = 4;
/// Pixels of one module.
const SCALE: usize = 8;
/// Bytes of one stored block of a zlib stream.
const BLOCK_MAX: usize = 65_535;

/// No QR code holds such a text: it is longer than 2,331 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text is too long for a QR code")]
pub struct TooLong;

/// A text as a QR code that is still read with 15 % of it damaged.
pub struct Qr(QRCode);

impl Qr {
    /// Lays the text out: capitals, digits and `$%*+-./:` are packed tightly.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn of(text: &str) -> Result<Self, TooLong> {
        QRBuilder::new(text).ecl(ECL::M).build().map(Self).map_err(|_| TooLong)
    }

    /// Modules of a side, with the white around.
    fn side(&self) -> usize {
        self.0.size + 2 * QUIET
    }

    /// Whether the module at this place is dark.
    fn dark(&self, x: usize, y: usize) -> bool {
        let inside = QUIET..QUIET + self.0.size;
        if !inside.contains(&x) || !inside.contains(&y) {
            return false;
        }
        let row = (y - QUIET) * self.0.size;
        self.0.data.get(row + x - QUIET).is_some_and(|module| module.value())
    }

    /// One path of dark modules on white.
    #[must_use]
    pub fn svg(&self) -> String {
        let side = self.side();
        let mut path = String::new();
        for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
            if self.dark(x, y) {
                // Writing to a String cannot fail.
                let _ = write!(path, "M{x} {y}h1v1h-1z");
            }
        }
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" shape-rendering="crispEdges"><rect width="{side}" height="{side}" fill="#fff"/><path d="{path}"/></svg>"##
        )
    }

    /// Grey, one bit a pixel, not compressed.
    #[must_use]
    pub fn png(&self) -> Vec<u8> {
        let pixels = self.side() * SCALE;
        let width = u32::try_from(pixels).unwrap_or(0).to_be_bytes();
        let mut rows = Vec::with_capacity(pixels * (pixels / 8 + 1));
        for y in 0..pixels {
            // Each line begins with its filter: none.
            rows.push(0);
            // A module is as wide as a byte has bits.
            rows.extend((0..self.side()).map(|x| if self.dark(x, y / SCALE) { 0 } else { 0xff }));
        }
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        chunk(&mut png, *b"IHDR", &[&width[..], &width[..], &[1, 0, 0, 0, 0]].concat());
        chunk(&mut png, *b"IDAT", &stored(&rows));
        chunk(&mut png, *b"IEND", &[]);
        png
    }
}

fn chunk(png: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    let body = [&kind[..], data].concat();
    png.extend(u32::try_from(data.len()).unwrap_or(0).to_be_bytes());
    png.extend(&body);
    png.extend(crc(&body).to_be_bytes());
}

/// A zlib stream of stored blocks.
fn stored(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let blocks = data.chunks(BLOCK_MAX).count();
    for (number, block) in (1..).zip(data.chunks(BLOCK_MAX)) {
        let length = u16::try_from(block.len()).unwrap_or(0);
        out.push(u8::from(number == blocks));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    let (a, b) = data.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    out.extend(((b << 16) | a).to_be_bytes());
    out
}

fn crc(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_known_ones() {
        assert_eq!(crc(b"IEND"), 0xae42_6082);
        assert_eq!(stored(b"abc")[10..], 0x024d_0127_u32.to_be_bytes());
    }

    #[test]
    fn both_pictures_show_the_same() {
        let qr = Qr::of("7Q2ZK-0HV4M-P9TXC-3WBN8").unwrap();
        let side = qr.side();
        let dark = (0..side * side).filter(|at| qr.dark(at % side, at / side)).count();
        assert!(dark > side * side / 4, "it has content");
        assert_eq!(qr.svg().matches("h1v1h-1z").count(), dark);
        let png = qr.png();
        assert!(
            png.starts_with(b"\x89PNG\r\n\x1a\n") && png.ends_with(&0xae42_6082_u32.to_be_bytes())
        );
        assert!(qr.dark(QUIET, QUIET) && !qr.dark(0, 0), "a corner and the white around it");
    }
}
