//! What `tasks.toml` takes from the environment: `${NAME}` in the values that are secret.

use anyhow::{Context, bail};

/// Whether there is an environment to take secrets from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// That of this process, which runs the tasks.
    Ours,
    /// None: this process only has to know which tasks there are.
    Unread,
}

impl Environment {
    /// The text with what it names; none where there is no environment.
    pub(super) fn fill(self, text: &str) -> anyhow::Result<Option<String>> {
        fill(text, |name| match self {
            Self::Ours => std::env::var(name).map(Some).with_context(|| {
                format!(
                    "the environment variable {name} is not set; it is asked for by ${{{name}}}"
                )
            }),
            Self::Unread => Ok(None),
        })
    }
}

fn fill(
    text: &str,
    value: impl Fn(&str) -> anyhow::Result<Option<String>>,
) -> anyhow::Result<Option<String>> {
    let mut filled = Some(String::new());
    let mut rest = text;
    while let Some((before, named)) = rest.split_once("${") {
        let Some((name, after)) = named.split_once('}') else {
            bail!("a ${{ is never closed; write the name of an environment variable as ${{NAME}}");
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            bail!("${{{name}}} does not name an environment variable");
        }
        filled = filled
            .zip(value(name)?)
            .map(|(filled, value)| filled + before + &value);
        rest = after;
    }
    Ok(filled.map(|filled| filled + rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_and_anything_else_is_left() {
        let value = |name: &str| match name {
            "TOKEN" => Ok(Some("secret ${X}".to_owned())),
            other => bail!("no {other}"),
        };
        let filled = |text| fill(text, value).map(Option::unwrap);
        assert_eq!(filled("Bearer ${TOKEN}!").unwrap(), "Bearer secret ${X}!");
        assert_eq!(filled("$5 {a} $TOKEN").unwrap(), "$5 {a} $TOKEN");
        for wrong in ["${", "${TOKEN", "${}", "${A B}", "${OTHER}"] {
            assert!(filled(wrong).is_err(), "{wrong}");
        }
        assert_eq!(fill("a ${B} c", |_| Ok(None)).unwrap(), None);
    }
}
