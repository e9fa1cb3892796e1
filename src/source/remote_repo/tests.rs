//! The base from a host, compared with the base from git.

use std::os::unix::fs::symlink;

use super::*;
use crate::source::base::read_with;
use crate::source::change::ChangeRequest;
use crate::source::git::Git;
use crate::source::read_revisions;
use crate::source::testing::{GitHost, TestRepository, contents, git_in};

/// The checkout of a pull request by `actions/checkout`, and GitHub as its host.
struct CheckoutJob {
    clone: TestRepository,
    host: Arc<GitHost>,
    remote_repo: RemoteRepo,
}

impl CheckoutJob {
    fn new(origin: &TestRepository, clone: TestRepository) -> Self {
        Self::with(GitHost::of(origin), clone)
    }

    fn with(host: GitHost, clone: TestRepository) -> Self {
        let host = Arc::new(host);
        let remote_repo = RemoteRepo {
            host: Arc::clone(&host) as Arc<dyn RepositoryHost>,
            folder: clone.path().to_owned(),
            commit: None,
        };
        Self { clone, host, remote_repo }
    }

    async fn read(&self, request: &BaseRequest, paths: &[&str]) -> Result<Revisions, SourceError> {
        let paths: Vec<Utf8PathBuf> = paths.iter().map(Utf8PathBuf::from).collect();
        self.remote_repo.read(self.clone.path(), request, &paths, None).await
    }

    fn asked(&self, what: &str) -> usize {
        let asked = self.host.asked.lock().unwrap();
        asked.iter().filter(|each| each.starts_with(what)).count()
    }
}

fn text(revisions: &Revisions) -> Vec<(Utf8PathBuf, String)> {
    contents(revisions.base.files.as_ref().unwrap())
}

/// `main`, and a pull request with GitHub's merge of it.
fn with_pull_request() -> TestRepository {
    let origin = TestRepository::new();
    origin.write("m/1.sql", "one").write("m/deep/er/2.sql", "two\n").write("other/9.sql", "nine");
    let first = origin.commit_all("first");
    origin.commit("m/4.sql", "four, on main alone");
    origin.git(&["checkout", "--quiet", "-b", "feature", &first]);
    origin.write("m/1.sql", "one, edited");
    origin.commit("m/3.sql", "three");
    origin.git(&["checkout", "--quiet", "--detach", "main"]);
    origin.git(&["merge", "--quiet", "--no-ff", "-m", "Merge", "feature"]);
    origin.git(&["update-ref", "refs/pull/7/merge", "HEAD"]);
    origin.git(&["checkout", "--quiet", "main"]);
    origin
}

#[tokio::test]
async fn a_pull_request_has_the_base_that_git_finds() {
    let origin = with_pull_request();
    let job = CheckoutJob::new(&origin, origin.checkout_action("refs/pull/7/merge", 1));
    let found = job.read(&BaseRequest::Default, &["m"]).await.unwrap();
    let by_git =
        read_with(&job.clone.git_client(), &BaseRequest::Default, &["m".into()]).await.unwrap();
    assert_eq!(found.base.revision, by_git.base.revision);
    assert_eq!(text(&found), text(&by_git));
    assert_eq!(found.head.unwrap().commit, by_git.head.unwrap().commit);
    assert_eq!(
        found.base.reason,
        "first parent of the merge commit HEAD (pull/7/merge); read from GitHub"
    );
    assert_eq!((job.asked("tree"), job.asked("blob")), (1, 1), "what differs, and nothing else");
    assert_eq!(job.asked(""), 3);
}

#[tokio::test]
async fn without_a_ref_the_event_identifies_a_merge() {
    let origin = with_pull_request();
    let merge = origin.git(&["rev-parse", "refs/pull/7/merge"]);
    let clone = origin.checkout_action("refs/pull/7/merge", 1);
    clone.git(&["update-ref", "-d", "refs/remotes/pull/7/merge"]);
    let mut job = CheckoutJob::new(&origin, clone);
    let found = job.read(&BaseRequest::Default, &["m"]).await.unwrap();
    assert_eq!(found.base.reason, "merge base of HEAD with main; read from GitHub");
    job.remote_repo.commit = Some(merge.clone());
    let change = ChangeRequest {
        head: Some(origin.git(&["rev-parse", "feature"])),
        merge: Some(merge),
        branch: Some("main".into()),
        ..ChangeRequest::default()
    };
    let request = BaseRequest::Change(Box::new(change));
    let found = job.read(&request, &["m"]).await.unwrap();
    assert!(found.base.reason.starts_with("first parent of the merge commit"));
    // A download without git has no .git folder.
    std::fs::remove_dir_all(job.clone.path().join(".git")).unwrap();
    let found = job.read(&request, &["m"]).await.unwrap();
    assert!(found.base.reason.starts_with("first parent of the merge commit"));
    assert_eq!(text(&found).len(), 3);
    job.remote_repo.commit = None;
    let error = job.read(&request, &["m"]).await.unwrap_err().to_string();
    assert!(error.contains("the checked-out commit is unknown"), "{error}");
}

/// A folder that the base seems not to have would make every migration look new.
#[tokio::test]
async fn another_repository_or_an_unknown_location_is_an_error() {
    let origin = with_pull_request();
    let job = CheckoutJob::new(&origin, origin.checkout_action("refs/pull/7/merge", 1));
    std::fs::remove_dir_all(job.clone.path().join(".git")).unwrap();
    let root = job.clone.path().join("m");
    let remote_repo =
        RemoteRepo { commit: Some(origin.git(&["rev-parse", "main"])), ..job.remote_repo.clone() };
    let error = remote_repo.read(&root, &BaseRequest::Default, &[], None).await.unwrap_err();
    assert!(error.to_string().contains("there is no .git in the checkout, and"), "{error}");

    let other = TestRepository::new();
    other.commit("m/1.sql", "another's");
    let job = CheckoutJob::new(&origin, other.clone(&[]));
    let base = BaseRequest::Revision(origin.git(&["rev-parse", "main"]));
    let error = job.read(&base, &["m"]).await.unwrap_err().to_string();
    assert!(error.contains("it finds no path from"), "{error}");
}

#[tokio::test]
async fn a_branch_is_compared_with_its_fork_point() {
    let origin = with_pull_request();
    let job = CheckoutJob::new(&origin, origin.checkout_action("refs/heads/feature", 1));
    let found = job.read(&BaseRequest::Default, &["m"]).await.unwrap();
    let request = BaseRequest::Revision("main~1".into());
    let by_git = read_with(&origin.git_client(), &request, &["m".into()]).await.unwrap();
    assert_eq!(text(&found), text(&by_git));
    assert_eq!(found.base.revision.unwrap().commit, origin.git(&["rev-parse", "main~1"]));
    assert_eq!(found.base.reason, "merge base of HEAD with main; read from GitHub");
}

#[tokio::test]
async fn a_named_base_is_used_exactly() {
    let origin = with_pull_request();
    origin.git(&["tag", "v1", "main~1"]);
    let job = CheckoutJob::new(&origin, origin.checkout_action("refs/heads/feature", 1));
    let main = origin.git(&["rev-parse", "main"]);
    let named = |name: &str| BaseRequest::Revision(name.to_owned());
    for (name, divergence) in [
        ("main", BaseDivergence::Commits(1)),
        ("origin/main", BaseDivergence::Commits(1)),
        (main.as_str(), BaseDivergence::Commits(1)),
        ("v1", BaseDivergence::Nothing),
        ("HEAD", BaseDivergence::Nothing),
    ] {
        let found = job.read(&named(name), &["m"]).await.unwrap();
        assert_eq!(found.base.divergence, divergence, "{name}");
        assert_eq!(found.base.revision.unwrap().name, name);
    }
    for (name, words) in [
        ("nowhere", "it has no branch, tag or commit \"nowhere\" in this repository"),
        (
            "HEAD~1",
            "\"HEAD~1\" contains \"~1\", but GitHub resolves only branches, tags and full hashes",
        ),
        ("main^", "contains \"^\""),
        ("a b", "contains \" b\""),
    ] {
        let error = job.read(&named(name), &["m"]).await.unwrap_err().to_string();
        assert!(error.starts_with("cannot fetch the base revision from GitHub: "), "{error}");
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn files_read_as_by_git() {
    let library = TestRepository::new();
    library.commit("m/1.sql", "one");
    let origin = TestRepository::new();
    for name in ["1 a b.sql", "2 o'neill \"x\".sql", "3_søn_ü.sql", "4_a\nb.sql"] {
        origin.write(&format!("apps/shop/m/{name}"), name);
    }
    origin.write("real/1.sql", "one").write("apps/lib/m/2.sql", "two").write("m2/3.sql", "no");
    let link = |target: &str, path: &str| symlink(target, origin.path().join(path)).unwrap();
    link("../../../real/1.sql", "apps/shop/m/5.sql");
    link("nowhere.sql", "apps/shop/m/6.sql");
    link("../../../../out.sql", "apps/shop/m/7.sql");
    link("../../real", "apps/shop/linked");
    let add = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add"];
    git_in(origin.path().as_std_path(), &[&add[..], &[&library.url(), "apps/shop/sub"]].concat());
    let base = origin.commit_all("base");
    // Nothing of it is unchanged.
    origin.git(&["rm", "--quiet", "-r", "apps/shop/m", "apps/lib", "real"]);
    origin.write("apps/shop/x", "");
    origin.commit_all("head");

    let clone = origin.clone(&[]);
    let root = clone.path().join("apps/shop");
    let git = Git::discover_with(&root, "git".into()).unwrap().unwrap();
    for is_big in [false, true] {
        let job = CheckoutJob::with(GitHost { is_big, ..GitHost::of(&origin) }, origin.clone(&[]));
        let root = job.clone.path().join("apps/shop");
        for paths in [&["m", "../lib/m", "nowhere"][..], &["linked"], &["../../real/1.sql"]] {
            let paths: Vec<Utf8PathBuf> = paths.iter().map(Utf8PathBuf::from).collect();
            let request = BaseRequest::Revision(base.clone());
            let by_git = read_with(&git, &request, &paths).await.unwrap();
            let found = job.remote_repo.read(&root, &request, &paths, None).await;
            // Links may point to any path, so the whole tree is required.
            if is_big && paths[0] != "../../real/1.sql" {
                let error = found.map(|found| text(&found)).unwrap_err().to_string();
                assert!(error.contains("too long and was truncated"), "{error}");
                continue;
            }
            assert_eq!(text(&found.unwrap()), text(&by_git), "{paths:?}");
        }
    }
    let job = CheckoutJob::new(&origin, clone);
    let request = BaseRequest::Revision(base);
    let error = job.remote_repo.read(&root, &request, &["sub/m".into()], None).await.unwrap_err();
    assert!(matches!(error, SourceError::Submodule { .. }), "{error}");
    let error =
        job.remote_repo.read(&root, &request, &["../../../m".into()], None).await.unwrap_err();
    assert!(matches!(error, SourceError::OutsideRepository { .. }), "{error}");
}

#[tokio::test]
async fn a_tree_that_is_too_long_for_one_listing_is_read_folder_by_folder() {
    let origin = with_pull_request();
    let host = GitHost { is_big: true, ..GitHost::of(&origin) };
    let job = CheckoutJob::with(host, origin.checkout_action("refs/pull/7/merge", 1));
    let paths = ["sqlx.toml", "m", "m/sqlx.toml", "other/9.sql", "m/1.sql/no"];
    let found = job.read(&BaseRequest::Default, &paths).await.unwrap();
    let listed: Vec<_> = text(&found).into_iter().map(|(path, _)| path).collect();
    assert_eq!(listed, ["m/1.sql", "m/4.sql", "m/deep/er/2.sql", "other/9.sql"]);
    // The commit as a whole and by its folders, `m` twice, `other`: each once.
    assert_eq!(job.asked("tree"), 5, "{:?}", job.host.asked);
}

#[tokio::test]
async fn line_ends_converted_by_a_checkout_are_not_a_change() {
    let origin = TestRepository::new();
    origin.write(".gitattributes", "*.sql text eol=crlf\n");
    origin.commit("m/1.sql", "a\nb\n");
    let base = origin.git(&["rev-parse", "HEAD"]);
    origin.commit("m/2.sql", "c\n");
    let job = CheckoutJob::new(&origin, origin.clone(&[]));
    assert_eq!(std::fs::read(job.clone.path().join("m/1.sql")).unwrap(), b"a\r\nb\r\n");
    let found = job.read(&BaseRequest::Revision(base), &["m"]).await.unwrap();
    assert_eq!(text(&found), [("m/1.sql".into(), "a\r\nb\r\n".to_owned())]);
    assert_eq!(job.asked("blob"), 0);
}

#[tokio::test]
async fn a_git_lfs_file_is_read_from_the_checkout_or_is_missing() {
    const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:\
        87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7\nsize 2\n";
    let origin = TestRepository::new();
    let base = origin.commit("m/1.sql", POINTER);
    let job = CheckoutJob::new(&origin, origin.clone(&[]));
    // As written by git-lfs instead of the pointer.
    job.clone.write("m/1.sql", "a\n");
    let request = BaseRequest::Revision(base);
    let found = job.read(&request, &["m"]).await.unwrap();
    assert_eq!(text(&found)[0].1, "a\n");
    job.clone.write("m/1.sql", "b\n");
    let found = job.read(&request, &["m"]).await.unwrap();
    assert!(text(&found)[0].1.contains("it is stored in git-lfs"), "{:?}", text(&found));
}

#[tokio::test]
async fn contents_with_another_hash_are_an_error() {
    let origin = with_pull_request();
    let host = GitHost { noise: "x", ..GitHost::of(&origin) };
    let job = CheckoutJob::with(host, origin.checkout_action("refs/pull/7/merge", 1));
    let error = job.read(&BaseRequest::Default, &["m"]).await.unwrap_err().to_string();
    assert!(error.contains("has another hash"), "{error}");
}

/// Git is used first; the host if git does not have the base; both are named if neither has it.
#[tokio::test]
async fn the_host_is_queried_for_what_a_shallow_clone_lacks() {
    let origin = with_pull_request();
    let mut job = CheckoutJob::new(&origin, origin.checkout_action("refs/pull/7/merge", 1));
    job.clone.git(&["remote", "set-url", "origin", "file:///nowhere"]);
    let root = job.clone.path().to_owned();
    let read = async |job: &CheckoutJob| {
        let request = BaseRequest::Default;
        read_revisions(&root, &request, &["m".into()], Some(&job.remote_repo)).await
    };
    let found = read(&job).await.unwrap();
    assert!(found.base.reason.ends_with("read from GitHub"), "{}", found.base.reason);
    assert_eq!(text(&found).len(), 3);
    assert_eq!(found.head.unwrap().dirty, Some(false), "git has told that");

    // A complete clone needs no host.
    job.host.asked.lock().unwrap().clear();
    let whole = CheckoutJob::new(&origin, origin.clone(&[]));
    let (path, paths) = (whole.clone.path(), ["m".into()]);
    read_revisions(path, &BaseRequest::Default, &paths, Some(&whole.remote_repo)).await.unwrap();
    assert_eq!(whole.asked(""), 0);

    let elsewhere = TestRepository::new();
    elsewhere.commit("x", "");
    job.remote_repo.host = Arc::new(GitHost::of(&elsewhere));
    let error = read(&job).await.unwrap_err().to_string();
    assert!(
        error.starts_with("cannot fetch the base revision from GitHub: it has no commit "),
        "{error}"
    );
    assert!(
        error.contains("; nor from this clone: this clone does not contain the base"),
        "{error}"
    );
}
