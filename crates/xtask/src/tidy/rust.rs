//! Just enough of Rust's grammar: what is code, what is a comment, what is a string.

/// A file taken apart.
pub(super) struct Parsed {
    /// The text with comments and the insides of strings blanked; lines stay where they were.
    pub(super) code: String,
    /// Each string's line and content.
    pub(super) strings: Vec<(usize, String)>,
}

/// A function's name, first line, and lines of code in its body.
pub(super) struct Function {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) lines: usize,
}

pub(super) fn parse(text: &str) -> Parsed {
    let mut lexer = Lexer { rest: text, line: 1, code: String::new(), strings: Vec::new() };
    while lexer.step() {}
    Parsed { code: lexer.code, strings: lexer.strings }
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    code: String,
    strings: Vec<(usize, String)>,
}

impl Lexer<'_> {
    fn step(&mut self) -> bool {
        let Some(next) = self.rest.chars().next() else { return false };
        if self.rest.starts_with("//") {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.blank(end);
        } else if self.rest.starts_with("/*") {
            let end = block_comment_length(self.rest);
            self.blank(end);
        } else if let Some(hashes) = self.raw_string_hashes() {
            let open = self.rest.find('"').map_or(0, |at| at + 1);
            let close = format!("\"{}", "#".repeat(hashes));
            let inside = self.rest.get(open..).unwrap_or_default();
            let length = inside.find(&close).unwrap_or(inside.len());
            self.string(open, length, close.len());
        } else if next == '"' {
            let inside = self.rest.get(1..).unwrap_or_default();
            self.string(1, plain_string_length(inside), 1);
        } else if let Some(length) = char_length(self.rest) {
            self.blank(length);
        } else {
            self.keep(next.len_utf8());
        }
        true
    }

    /// The number of `#` if a raw string starts here, and not an identifier that ends in `r`.
    fn raw_string_hashes(&self) -> Option<usize> {
        let inside_word = self.code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let start = self.rest.strip_prefix("br").or_else(|| self.rest.strip_prefix('r'))?;
        let tail = start.trim_start_matches('#');
        let found = tail.starts_with('"') && !inside_word;
        found.then(|| start.len() - tail.len())
    }

    fn string(&mut self, open: usize, length: usize, close: usize) {
        let line = self.line;
        let content = self.rest.get(open..open + length).unwrap_or_default().to_owned();
        self.strings.push((line, content));
        self.code.push('"');
        self.blank(open + length + close);
        self.code.push('"');
    }

    fn keep(&mut self, length: usize) {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.code.push_str(taken);
        self.rest = rest;
    }

    fn blank(&mut self, length: usize) {
        let (taken, rest) = self.rest.split_at(length.min(self.rest.len()));
        let newlines = taken.matches('\n').count();
        self.line += newlines;
        self.code.extend(std::iter::repeat_n('\n', newlines));
        self.rest = rest;
    }
}

/// Block comments nest.
fn block_comment_length(text: &str) -> usize {
    let (mut depth, mut at) = (0_u32, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Up to the closing quote, which a backslash may hide.
fn plain_string_length(inside: &str) -> usize {
    let mut hidden = false;
    for (at, c) in inside.char_indices() {
        match c {
            '"' if !hidden => return at,
            '\\' => hidden = !hidden,
            _ => hidden = false,
        }
    }
    inside.len()
}

/// A character literal; a lifetime has no closing quote after one character.
fn char_length(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    let first = inside.chars().next()?;
    if first == '\\' {
        // The character after the backslash may itself be a quote.
        let after = inside.get(2..)?;
        return after.find('\'').map(|at| at + 4);
    }
    inside.get(first.len_utf8()..)?.starts_with('\'').then(|| first.len_utf8() + 2)
}

impl Parsed {
    /// The functions with a body, methods and nested ones too.
    pub(super) fn functions(&self) -> Vec<Function> {
        let mut found = Vec::new();
        for (at, _) in self.code.match_indices("fn ") {
            let before = self.code.get(..at).unwrap_or_default();
            let after = self.code.get(at + 3..).unwrap_or_default();
            let name: String =
                after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let is_word = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let Some(body) = body(after).filter(|_| !is_word && !name.is_empty()) else { continue };
            let lines = body.lines().filter(|line| !line.trim().is_empty()).count();
            let line = before.matches('\n').count() + 1;
            found.push(Function { name, line, lines });
        }
        found
    }

    /// The line at which the file's own unit tests begin.
    pub(super) fn tests_begin(&self) -> usize {
        let mut lines = (1..).zip(self.code.lines());
        let found = lines.find(|(_, line)| line.starts_with("#[cfg(test)]"));
        found.map_or(usize::MAX, |(number, _)| number)
    }
}

/// What stands between the braces of a function, if it has any.
fn body(signature: &str) -> Option<&str> {
    let open = signature.find(['{', ';'])?;
    let inside = signature.get(open..)?.strip_prefix('{')?;
    let mut depth = 1_u32;
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return inside.get(..at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(text: &str) -> Vec<(usize, String)> {
        parse(text).strings
    }

    #[test]
    fn strings_are_told_from_comments_lifetimes_and_characters() {
        let text = "// \"no\"\n/* \"no /* \"no\" */ */ let a = \"yes\\\"1\";\nfn f<'a>(c: &'a str) { '\"'; '\\''; r#\"yes \"2\"#; }";
        let expected = [(2, "yes\\\"1".to_owned()), (3, "yes \"2".to_owned())];
        assert_eq!(strings(text), expected);
    }

    #[test]
    fn a_brace_in_a_string_does_not_end_a_function() {
        let parsed = parse("fn a() {\n  b(\"}\");\n  c();\n}\nfn d();\n");
        let functions = parsed.functions();
        let lines: Vec<usize> = functions.iter().map(|function| function.lines).collect();
        assert_eq!(lines, [2]);
    }

    #[test]
    fn the_line_of_a_string_after_a_long_string_is_right() {
        assert_eq!(strings("a(\"x\n y\n z\");\nb(\"w\")").last().map(|it| it.0), Some(4));
    }
}
