//! How the values of flags are read.

use camino::Utf8PathBuf;

/// One `--output FORMAT=PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReportOutput {
    pub(crate) format: String,
    pub(crate) path: Utf8PathBuf,
}

pub(crate) fn output(text: &str) -> Result<ReportOutput, String> {
    output_of(text, renderer)
}

pub(crate) fn output_of(
    text: &str,
    renderer: fn(&str) -> Result<String, String>,
) -> Result<ReportOutput, String> {
    let (format, path) =
        text.split_once('=').ok_or("it has the form FORMAT=PATH, as in json=report.json")?;
    if path.is_empty() {
        return Err("there is no path after `=`".to_owned());
    }
    Ok(ReportOutput { format: renderer(format)?, path: path.into() })
}

pub(crate) fn renderer(name: &str) -> Result<String, String> {
    known(name, &crate::report::RENDERERS.iter().map(|renderer| renderer.name).collect::<Vec<_>>())
}

pub(crate) fn known(name: &str, known: &[&str]) -> Result<String, String> {
    if known.contains(&name) {
        Ok(name.to_owned())
    } else {
        Err(format!("known formats are {}", known.join(", ")))
    }
}

pub(crate) fn one_of<T: std::str::FromStr + strum::VariantNames>(name: &str) -> Result<T, String> {
    name.parse().map_err(|_| format!("known are {}", T::VARIANTS.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_names_its_format_and_its_path() {
        assert_eq!(output("json=a=b.json").unwrap().path, "a=b.json");
        assert!(output("json").unwrap_err().contains("FORMAT=PATH"));
        assert!(output("yaml=x").unwrap_err().contains("markdown"));
    }
}
