//! Which commits of a branch HEAD contains.

use super::SourceError;
use super::git::Git;

/// The newest commit of a branch's own line (its first parents) that `head` contains; `None` if they have one merge base,
/// or if the line is truncated before.
///
/// Each of `bases`, the merge bases of the two, has what the other lacks, and the first that git names is any of them. Where
/// one lies on the line, it is the answer: a newer commit of the line that `head` contains would be the merge base itself.
pub(super) async fn newest_on_line(
    git: &Git,
    head: &str,
    branch: &str,
    bases: &[String],
) -> Result<Option<String>, SourceError> {
    if bases.len() < 2 {
        return Ok(None);
    }
    let line = git.text(&["rev-list", "--first-parent", branch]).await?;
    if let Some(base) = line.lines().find(|commit| bases.iter().any(|base| base == commit)) {
        return Ok(Some(base.to_owned()));
    }
    // The commits of the line that `head` does not contain are its newest; all older ones are contained.
    let not_in_head = format!("^{head}");
    let lacking = git.text(&["rev-list", "--first-parent", branch, &not_in_head]).await?;
    Ok(line.lines().nth(lacking.lines().count()).map(str::to_owned))
}
