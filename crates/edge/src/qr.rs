//! QR codes as SVG and as PNG.

use std::fmt::Write as _;

use fast_qr::{ECL, QRBuilder, QRCode};

/// Modules of white around it, as the standard asks.
const QUIET: usize = 4;
/// Pixels of one module.
const SCALE: usize = 8;

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

    /// Grey, one bit a pixel.
    ///
    /// # Errors
    /// `TooLong`, never of a code that was laid out.
    pub fn png(&self) -> Result<Vec<u8>, TooLong> {
        let pixels = self.side() * SCALE;
        let width = u32::try_from(pixels).map_err(|_| TooLong)?;
        let mut rows = Vec::with_capacity(pixels * self.side());
        for y in 0..pixels {
            // A module is as wide as a byte has bits.
            rows.extend((0..self.side()).map(|x| if self.dark(x, y / SCALE) { 0 } else { 0xff }));
        }
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, width);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        let written = encoder.write_header().and_then(|mut body| body.write_image_data(&rows));
        written.map(|()| file).map_err(|_| TooLong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_pictures_show_the_same() {
        let qr = Qr::of("7Q2ZK-0HV4M-P9TXC-3WBN8").unwrap();
        let side = qr.side();
        let dark = (0..side * side).filter(|at| qr.dark(at % side, at / side)).count();
        assert!(dark > side * side / 4, "it has content");
        assert_eq!(qr.svg().matches("h1v1h-1z").count(), dark);
        let file = qr.png().unwrap();
        let mut read = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; read.output_buffer_size().unwrap()];
        let info = read.next_frame(&mut pixels).unwrap();
        let width = usize::try_from(info.width).unwrap();
        assert_eq!((width, info.line_size), (side * SCALE, side));
        for at in 0..side * side {
            let (x, y) = (at % side, at / side);
            let byte = pixels[(y * SCALE + SCALE / 2) * info.line_size + x];
            assert_eq!(byte, if qr.dark(x, y) { 0 } else { 0xff }, "{x}, {y}");
        }
        assert!(qr.dark(QUIET, QUIET) && !qr.dark(0, 0), "a corner and the white around it");
    }
}
