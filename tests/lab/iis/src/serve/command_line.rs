//! The `arguments` of a FastCGI application are one text, which on Windows the started program takes apart by the rules
//! of Microsoft's C library: <https://learn.microsoft.com/cpp/c-language/parsing-c-command-line-arguments>. Elsewhere
//! somebody has to do it for the program.

/// The words of a command line after the program.
pub fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            ' ' | '\t' if !is_quoted => words.extend(word.take()),
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                word.get_or_insert_default().push('"');
            }
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            '\\' => {
                let mut backslashes = 1;
                while chars.next_if_eq(&'\\').is_some() {
                    backslashes += 1;
                }
                let word = word.get_or_insert_default();
                // Before a quotation mark they count half, and an odd one keeps the mark.
                if chars.peek() == Some(&'"') {
                    word.extend(std::iter::repeat_n('\\', backslashes / 2));
                    if backslashes % 2 == 1 {
                        chars.next();
                        word.push('"');
                    }
                } else {
                    word.extend(std::iter::repeat_n('\\', backslashes));
                }
            }
            char => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, words: &[&str]) {
        assert_eq!(split(line), words);
    }

    #[test]
    fn a_line_is_taken_apart_as_on_windows() {
        check("", &[]);
        check(" -s -B  -m holdall_bridge ", &["-s", "-B", "-m", "holdall_bridge"]);
        check(r#"--config "C:\a b\bridge.toml""#, &["--config", r"C:\a b\bridge.toml"]);
        check(r#""" a"b c"d"#, &["", "ab cd"]);
        check(r#""a\\" b"#, &[r"a\", "b"]);
        check(r#"\"a\" \\\\"b c""#, &["\"a\"", r"\\b c"]);
        check(r#""say ""hi""" x"#, &["say \"hi\"", "x"]);
    }
}
