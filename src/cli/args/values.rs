//! Values of options. A closed set of words is a [`ValueEnum`], so that a mistyped one is a usage error and `--help` lists all.

use std::time::Duration;

use camino::Utf8PathBuf;
use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::formats::DownTo;
use crate::model::{ProviderChoice, Severity, TrackKind};
use crate::report::{Rendered, ReportFormat};

/// One `--output FORMAT=PATH`.
#[derive(Debug, Clone)]
pub(crate) struct ReportOutput<R> {
    pub(crate) format: ReportFormat<R>,
    pub(crate) path: Utf8PathBuf,
}

pub(super) fn output<R: Rendered>(text: &str) -> Result<ReportOutput<R>, String> {
    let (format, path) =
        text.split_once('=').ok_or("the format is FORMAT=PATH, as in json=report.json")?;
    if path.is_empty() {
        return Err("there is no path after `=`".to_owned());
    }
    let known = R::FORMATS.iter().find(|known| known.name == format).ok_or_else(|| {
        let names: Vec<_> = R::FORMATS.iter().map(|known| known.name).collect();
        format!("the format `{format}` is unknown; possible values: {}", names.join(", "))
    })?;
    Ok(ReportOutput { format: *known, path: path.into() })
}

/// Implements `ValueEnum` for types of `model`, which does not depend on clap.
macro_rules! value_enum {
    ($name:ty { $($variant:ident: $word:literal, $help:literal;)* }) => {
        impl ValueEnum for $name {
            fn value_variants<'a>() -> &'a [Self] {
                &[$(Self::$variant),*]
            }

            fn to_possible_value(&self) -> Option<PossibleValue> {
                Some(match self {
                    $(Self::$variant => PossibleValue::new($word).help($help),)*
                })
            }
        }
    };
}

value_enum!(ProviderChoice {
    Auto: "auto", "Docker if it works, else local binaries";
    Docker: "docker", "A container";
    Local: "local", "The PostgreSQL binaries of this machine";
    Url: "url", "An existing server";
});

value_enum!(Severity {
    Info: "info", "Informational";
    Warning: "warning", "A possible problem";
    Error: "error", "A failure";
});

value_enum!(TrackKind {
    Shared: "shared", "The shared migrations";
    Tenant: "tenant", "The migrations of each tenant";
});

impl<R: Rendered> ValueEnum for ReportFormat<R> {
    fn value_variants<'a>() -> &'a [Self] {
        R::FORMATS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name).help(self.help))
    }
}

/// `5s`, `1h 30m`, or 0.
pub(super) fn duration_or_zero(text: &str) -> Result<Duration, String> {
    match text {
        "0" => Ok(Duration::ZERO),
        text => humantime::parse_duration(text).map_err(|error| {
            format!("{error}; write a number and a unit, such as 5s or 10m, or 0")
        }),
    }
}

/// A timeout of PostgreSQL: [`duration_or_zero`], in whole milliseconds. Source of the maximum: `guc_tables.c`, `INT_MAX`.
pub(super) fn server_timeout(text: &str) -> Result<Duration, String> {
    let timeout = duration_or_zero(text)?;
    match timeout.as_millis() {
        0 if !timeout.is_zero() => {
            Err("PostgreSQL counts in milliseconds: use at least 1ms, or 0 to disable it"
                .to_owned())
        }
        milliseconds if milliseconds > i32::MAX as u128 => {
            Err("PostgreSQL's maximum is 2147483647ms, about 24 days; 0 disables it".to_owned())
        }
        _ => Ok(timeout),
    }
}

/// `-1`, a version, or `base`.
pub(super) fn down_to(text: &str) -> Result<DownTo, String> {
    match (text, text.strip_prefix('-')) {
        ("base", _) => Ok(DownTo::Base),
        (_, Some(steps)) => match steps.parse() {
            Ok(steps) if steps > 0 => Ok(DownTo::Steps(steps)),
            _ => Err("the number of migrations has to be at least 1, as in -1".to_owned()),
        },
        ("head", None) => Err("use `mig-ci upgrade` for head".to_owned()),
        (version, None) => Ok(DownTo::Version(version.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Display;
    use std::str::FromStr;

    use strum::VariantNames as _;

    use super::*;
    use crate::report::verify::v1::Report;

    #[test]
    fn timeouts_that_the_server_cannot_represent_are_refused() {
        for valid in ["0", "1ms", "5s", "24days", "2147483647ms"] {
            assert!(server_timeout(valid).is_ok(), "{valid}");
        }
        for invalid in ["1ns", "500us", "0.5ms", "25days", "2147483648ms", "100years", "5", ""] {
            assert!(server_timeout(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn an_output_has_a_format_and_a_path() {
        let output = |text| output::<Report>(text);
        assert_eq!(output("json=a=b.json").unwrap().path, "a=b.json");
        assert!(output("json").unwrap_err().contains("FORMAT=PATH"));
        assert!(output("json=").unwrap_err().contains("no path"));
        assert!(output("yaml=x").unwrap_err().contains("markdown"));
    }

    /// The words of the command line are those of the configuration and of the reports.
    #[test]
    fn words_equal_those_of_the_types() {
        fn compare<T: ValueEnum + Display + FromStr + PartialEq>(number: usize) {
            assert_eq!(T::value_variants().len(), number);
            for value in T::value_variants() {
                let word = value.to_possible_value().unwrap().get_name().to_owned();
                assert_eq!(word, value.to_string());
                assert!(word.parse::<T>().is_ok_and(|parsed| parsed == *value), "{word}");
            }
        }
        compare::<ProviderChoice>(ProviderChoice::VARIANTS.len());
        compare::<Severity>(Severity::VARIANTS.len());
        compare::<TrackKind>(TrackKind::VARIANTS.len());
    }
}
