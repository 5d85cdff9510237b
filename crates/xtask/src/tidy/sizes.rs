//! How long a file and a function may be.

use super::Source;
use super::rust::Parsed;

const FILE_LINES_MAX: usize = 500;
/// Lines of code; comments and empty lines are free.
const FUNCTION_LINES_MAX: usize = 70;

pub(super) fn check(source: &Source, parsed: &Parsed) -> Vec<String> {
    let path = &source.path;
    let lines = source.text.lines().count();
    let long_file = (lines > FILE_LINES_MAX)
        .then(|| format!("{path}: {lines} lines, at most {FILE_LINES_MAX}"));
    let functions = parsed.functions().into_iter().filter(|it| it.lines > FUNCTION_LINES_MAX);
    let long_functions = functions.map(|it| {
        format!(
            "{path}:{}: `{}` has {} lines, at most {FUNCTION_LINES_MAX}",
            it.line, it.name, it.lines
        )
    });
    long_file.into_iter().chain(long_functions).collect()
}

#[cfg(test)]
mod tests {
    use super::super::rust;
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let source = Source { path: "crates/x/src/lib.rs".to_owned(), text: text.to_owned() };
        check(&source, &rust::parse(&source.text))
    }

    #[test]
    fn a_file_of_501_lines_is_found() {
        assert_eq!(findings(&"//\n".repeat(500)).len(), 0);
        assert_eq!(findings(&"//\n".repeat(501)).len(), 1);
    }

    #[test]
    fn a_function_of_71_lines_is_found_and_comments_are_free() {
        let function = |lines: &str, count| format!("fn long() {{\n{}}}\n", lines.repeat(count));
        assert_eq!(findings(&function("a();\n", 70)).len(), 0);
        assert_eq!(findings(&function("a();\n", 71)).len(), 1);
        assert_eq!(findings(&function("// why\n\n", 71)).len(), 0);
    }
}
