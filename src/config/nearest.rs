//! Suggestions for mistyped names.

/// The most similar name in `known`, if it is similar enough.
pub(crate) fn nearest<'a, S: AsRef<str>>(name: &str, known: &'a [S]) -> Option<&'a str> {
    let wanted = name.to_lowercase().replace('_', "-");
    known
        .iter()
        .map(|candidate| {
            let lower = candidate.as_ref().to_lowercase().replace('_', "-");
            (strsim::damerau_levenshtein(&wanted, &lower), candidate.as_ref())
        })
        .filter(|(distance, _)| *distance <= (wanted.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The list of known names, after the nearest one.
pub(crate) fn did_you_mean<S: AsRef<str>>(name: &str, known: &[S], introduction: &str) -> String {
    let list: Vec<String> = known.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    let list = format!("{introduction} {}", list.join(", "));
    match nearest(name, known) {
        Some(nearest) => format!("did you mean `{nearest}`? {}", capitalised(&list)),
        None => list,
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_similar() {
        let known = ["migrations", "search_path", "fail-on", "order"];
        assert_eq!(nearest("migration", &known), Some("migrations"));
        assert_eq!(nearest("searchpath", &known), Some("search_path"));
        assert_eq!(nearest("fail_on", &known), Some("fail-on"));
        assert_eq!(nearest("Order", &known), Some("order"));
        assert_eq!(nearest("tenancy", &known), None);
        assert_eq!(nearest("x", &["y"; 0]), None);
    }
}
