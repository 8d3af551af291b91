//! Commands of `appcmd` as values: its grammar, how they are typed, what undoes them, and what their exit codes mean.
//!
//! `appcmd VERB OBJECT [IDENTIFIER] [/name:value …]`. Everything it says may be in the language of the server, so that
//! exit codes are all that is ever decided by. A password is never a word of a command: it goes in by `/in`.

use std::fmt;

/// One run of appcmd.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    pub verb: Verb,
    pub object: Object,
    /// The one bare word that appcmd takes.
    pub identifier: Option<String>,
    pub parameters: Vec<Parameter>,
    /// XML for `/in`, when there is something that nobody may see.
    input: Option<Input>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    List,
    Add,
    Set,
    Delete,
    Start,
    Stop,
    Recycle,
    Clear,
    Lock,
    Unlock,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    Site,
    App,
    Vdir,
    AppPool,
    Config,
}

/// One word that begins with `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter {
    /// `/xml`
    Switch(&'static str),
    /// `/name:value`, where the value may be any text, and empty.
    Property { name: String, value: String },
    /// `/+items`
    Add(Items),
    /// `/-items`
    Remove(Items),
    /// `/items.name:value`: an attribute of an element that is there.
    Edit { items: Items, name: String, value: String },
}

/// An element of a collection: `environmentVariables.[name='A',value='B']`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Items(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// A collection or element below.
    Into(&'static str),
    /// The element with these attributes; where it goes when it is added.
    Item { at: Option<At>, attributes: Vec<(&'static str, Quoted)> },
}

/// Where an element is put. Left out, it is for appcmd to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    Start,
    End,
}

/// A text that can stand between the single quotes of an item: any but one with a single quote, for which appcmd knows
/// no escape, or with a line's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted(String);

/// A text that appcmd cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("IIS's `appcmd` cannot be told `{}`", .0.replace(char::is_control, "?"))]
#[diagnostic(help("it takes no `'` and no control character here: choose another folder or name"))]
pub struct Unquotable(String);

/// What is fed to `/in`, shown by nobody.
#[derive(Clone, PartialEq, Eq)]
struct Input {
    xml: String,
    /// What people are told instead.
    says: &'static str,
}

/// What an exit code asks for. It is the Windows error of what went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    Done,
    /// Nothing happened, and the same command may succeed in a moment.
    Retry,
    /// What was read before is no longer so: read again, plan again.
    Reread,
    NotFound,
    NotElevated,
    Failed,
}

impl Quoted {
    pub fn parse(text: &str) -> Result<Quoted, Unquotable> {
        match text.contains(|c: char| c == '\'' || c.is_control()) {
            true => Err(Unquotable(text.to_owned())),
            false => Ok(Quoted(text.to_owned())),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// That a text is none, for one that is not even text.
    pub(super) fn unquotable(text: &str) -> Unquotable {
        Unquotable(text.to_owned())
    }

    /// Words of this program itself.
    pub(super) fn plain(text: &str) -> Quoted {
        Quoted::parse(text).expect("a text of the program's own has no quote")
    }
}

impl Items {
    /// An element of the object's own collection.
    pub fn item(attributes: Vec<(&'static str, Quoted)>) -> Items {
        Items(vec![Step::Item { at: None, attributes }])
    }

    /// An element of a collection of this name.
    pub fn of(collection: &'static str, attributes: Vec<(&'static str, Quoted)>) -> Items {
        Items(vec![Step::Into(collection), Step::Item { at: None, attributes }])
    }

    /// An element of a collection of this element.
    pub fn inside(mut self, collection: &'static str, attributes: Vec<(&'static str, Quoted)>) -> Items {
        self.0.extend([Step::Into(collection), Step::Item { at: None, attributes }]);
        self
    }

    /// The same, put at this place.
    pub fn at(mut self, place: At) -> Items {
        if let Some(Step::Item { at, .. }) = self.0.last_mut() {
            *at = Some(place);
        }
        self
    }
}

impl Command {
    pub fn new(verb: Verb, object: Object, identifier: Option<&str>) -> Command {
        Command {
            verb,
            object,
            identifier: identifier.map(str::to_owned),
            parameters: Vec::new(),
            input: None,
        }
    }

    /// `set config [LOCATION] /section:…`, written into applicationHost.config.
    pub fn config(verb: Verb, location: Option<&str>, section: &str) -> Command {
        Command::new(verb, Object::Config, location).property("section", section)
    }

    /// For changes of configuration: into applicationHost.config, and for a location into a tag of its own there. Locks
    /// do not concern the file that holds them.
    pub fn committed(self) -> Command {
        self.property("commit", "apphost")
    }

    pub fn switch(mut self, name: &'static str) -> Command {
        self.parameters.push(Parameter::Switch(name));
        self
    }

    pub fn property(mut self, name: &str, value: &str) -> Command {
        self.parameters.push(Parameter::Property { name: name.to_owned(), value: value.to_owned() });
        self
    }

    pub fn adding(mut self, items: Items) -> Command {
        self.parameters.push(Parameter::Add(items));
        self
    }

    pub fn removing(mut self, items: Items) -> Command {
        self.parameters.push(Parameter::Remove(items));
        self
    }

    pub fn editing(mut self, items: Items, name: &str, value: &str) -> Command {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.parameters.push(Parameter::Edit { items, name, value });
        self
    }

    /// Feeds `xml` to appcmd instead of words; `says` stands for it wherever the command is shown.
    pub fn input(mut self, xml: String, says: &'static str) -> Command {
        self.input = Some(Input { xml, says });
        self.switch("in")
    }

    /// What is written to the program's standard input.
    pub fn standard_input(&self) -> Option<&str> {
        self.input.as_ref().map(|input| input.xml.as_str())
    }

    /// The words after the program's name: one argument each, without any quoting of a shell.
    pub fn args(&self) -> Vec<String> {
        let words = [self.verb.as_str(), self.object.as_str()].map(str::to_owned);
        words
            .into_iter()
            .chain(self.identifier.clone())
            .chain(self.parameters.iter().map(ToString::to_string))
            .collect()
    }

    /// The command that takes this one back, when that follows from the command alone: what was there before `set` and
    /// `clear` nobody knows.
    pub fn inverse(&self) -> Option<Command> {
        let verb = match self.verb {
            Verb::Add => {
                let key =
                    if self.object == Object::Vdir || self.object == Object::App { "path" } else { "name" };
                let value = |wanted: &str| {
                    self.parameters.iter().find_map(|parameter| match parameter {
                        Parameter::Property { name, value } if name == wanted => Some(value.as_str()),
                        _ => None,
                    })
                };
                let identifier = match self.object {
                    Object::App => format!("{}{}", value("site.name")?, value(key)?),
                    Object::Vdir => format!("{}{}", value("app.name")?.trim_end_matches('/'), value(key)?),
                    Object::Site | Object::AppPool => value(key)?.to_owned(),
                    Object::Config => return None,
                };
                return Some(Command::new(Verb::Delete, self.object, Some(&identifier)));
            }
            Verb::Start => Verb::Stop,
            Verb::Stop => Verb::Start,
            Verb::Lock => Verb::Unlock,
            Verb::Unlock => Verb::Lock,
            Verb::Set => return self.inverse_of_items(),
            Verb::List | Verb::Delete | Verb::Recycle | Verb::Clear => return None,
        };
        Some(Command { verb, ..self.clone() })
    }

    /// `+` against `-`, backwards, if nothing else is changed.
    fn inverse_of_items(&self) -> Option<Command> {
        let mut fixed = Vec::new();
        let mut items = Vec::new();
        for parameter in &self.parameters {
            match parameter {
                Parameter::Add(added) => items.push(Parameter::Remove(added.clone())),
                Parameter::Remove(removed) => items.push(Parameter::Add(removed.clone())),
                Parameter::Property { name, .. } if name == "section" || name == "commit" => {
                    fixed.push(parameter.clone());
                }
                Parameter::Switch(_) | Parameter::Property { .. } | Parameter::Edit { .. } => return None,
            }
        }
        if items.is_empty() {
            return None;
        }
        // The section stands first and the place to commit to last, as they came.
        let commit = fixed
            .iter()
            .position(|parameter| matches!(parameter, Parameter::Property { name, .. } if name == "commit"));
        let commit = commit.map(|at| fixed.remove(at));
        let parameters = fixed.into_iter().chain(items.into_iter().rev()).chain(commit).collect();
        Some(Command { parameters, ..self.clone() })
    }

    /// What this command's exit code asks for.
    pub fn meaning(&self, code: i32) -> Meaning {
        let starts = matches!(self.verb, Verb::Start | Verb::Stop | Verb::Recycle);
        match code {
            0 => Meaning::Done,
            // `list` says so, and nothing else.
            1 if self.verb == Verb::List => Meaning::NotFound,
            // A sharing violation: somebody else writes the configuration at this moment.
            32 => Meaning::Retry,
            // What was just made is not yet known to the service that starts it.
            4312 if starts => Meaning::Retry,
            // Something in the way was made, changed or removed meanwhile: there already (183), not there (1168, 4312),
            // changed on the disk since it was read (33, 1006), or half done when the service broke (1726).
            33 | 183 | 1006 | 1168 | 1726 | 4312 => Meaning::Reread,
            5 => Meaning::NotElevated,
            _ => Meaning::Failed,
        }
    }

    /// Whether the exit code says that what this command removes is not there.
    pub fn finds_nothing_to_remove(&self, code: i32) -> bool {
        let removes = |parameter: &Parameter| matches!(parameter, Parameter::Remove(_));
        (self.verb == Verb::Delete || self.parameters.iter().any(removes)) && matches!(code, 1168 | 4312)
    }

    /// The line for a batch file, where a `%` is written twice.
    pub fn batch_line(&self) -> String {
        self.line(|arg| cmd_word(arg, "%%"))
    }

    fn line(&self, word: impl Fn(&str) -> String) -> String {
        let mut line = PROGRAM.to_owned();
        for arg in self.args() {
            line.push(' ');
            line.push_str(&word(&arg));
        }
        if let Some(input) = &self.input {
            line.push_str(&format!("  & rem {}", input.says));
        }
        line
    }
}

/// The line as it can be pasted into a prompt of `cmd.exe`.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line(|arg| cmd_word(arg, "^%")))
    }
}

/// As it is displayed: what `/in` is fed stays hidden.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// It is not on PATH.
const PROGRAM: &str = r"%windir%\System32\inetsrv\appcmd.exe";

impl Verb {
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::List => "list",
            Verb::Add => "add",
            Verb::Set => "set",
            Verb::Delete => "delete",
            Verb::Start => "start",
            Verb::Stop => "stop",
            Verb::Recycle => "recycle",
            Verb::Clear => "clear",
            Verb::Lock => "lock",
            Verb::Unlock => "unlock",
        }
    }
}

impl Object {
    pub fn as_str(self) -> &'static str {
        match self {
            Object::Site => "site",
            Object::App => "app",
            Object::Vdir => "vdir",
            Object::AppPool => "apppool",
            Object::Config => "config",
        }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Parameter::Switch(name) => write!(f, "/{name}"),
            Parameter::Property { name, value } => write!(f, "/{name}:{value}"),
            Parameter::Add(items) => write!(f, "/+{items}"),
            Parameter::Remove(items) => write!(f, "/-{items}"),
            Parameter::Edit { items, name, value } => write!(f, "/{items}.{name}:{value}"),
        }
    }
}

impl fmt::Display for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(".")?;
            }
            match step {
                Step::Into(name) => f.write_str(name)?,
                Step::Item { at, attributes } => {
                    let place = at.map(|at| if at == At::Start { "@start" } else { "@end" }.to_owned());
                    let attributes = attributes.iter().map(|(name, value)| format!("{name}='{}'", value.0));
                    let parts: Vec<_> = place.into_iter().chain(attributes).collect();
                    write!(f, "[{}]", parts.join(","))?;
                }
            }
        }
        Ok(())
    }
}

/// One argument as `cmd.exe` and after it the program itself have to read it.
///
/// In double quotes nothing but `%` and `"` means something to cmd; with one of these in it a word is written so that cmd
/// never takes it for quoted, and every letter that means something to it has a `^` in front.
fn cmd_word(arg: &str, percent: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !"\"%^&|<>()!,;=`'".contains(c);
    if !arg.is_empty() && arg.chars().all(plain) {
        return arg.to_owned();
    }
    let quoted = argument(arg);
    if !arg.contains(['"', '%']) {
        return quoted;
    }
    let mut word = String::with_capacity(quoted.len() + 8);
    for c in quoted.chars() {
        match c {
            '%' => word.push_str(percent),
            '"' | '^' | '&' | '|' | '<' | '>' | '(' | ')' | '!' => word.extend(['^', c]),
            c => word.push(c),
        }
    }
    word
}

/// An argument in double quotes, as programs on Windows take them apart: a backslash counts only before a quote.
pub(super) fn argument(arg: &str) -> String {
    let mut quoted = String::from("\"");
    let mut backslashes = 0;
    for c in arg.chars() {
        match c {
            '\\' => backslashes += 1,
            '"' => {
                quoted.push_str(&"\\".repeat(backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        quoted.push(c);
    }
    quoted.push_str(&"\\".repeat(backslashes));
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
