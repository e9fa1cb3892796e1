//! Faults of GitHub on demand.

use serde_json::{Value, json};

/// A request that fails.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    method: &'static str,
    /// A part of the path.
    path: &'static str,
    /// How often it fails.
    pub(super) times: usize,
    /// The request is executed in spite of the error.
    pub(super) done: bool,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// No response at all.
    Hang,
    /// Half of the response, then the connection breaks.
    Cut,
}

impl Fault {
    pub(crate) fn new(method: &'static str, path: &'static str, answer: (u16, Value)) -> Self {
        let (status, body) = answer;
        let kind = Kind::Answer { status, headers: Vec::new(), body: body.to_string() };
        Self { method, path, times: 1, done: false, kind }
    }

    /// An error page of a proxy.
    pub(crate) fn text(
        method: &'static str,
        path: &'static str,
        status: u16,
        body: impl Into<String>,
    ) -> Self {
        let kind = Kind::Answer { status, headers: Vec::new(), body: body.into() };
        Self { method, path, times: 1, done: false, kind }
    }

    pub(crate) fn hang(method: &'static str, path: &'static str) -> Self {
        Self { method, path, times: 1, done: false, kind: Kind::Hang }
    }

    pub(crate) fn cut(method: &'static str, path: &'static str) -> Self {
        Self { method, path, times: 1, done: false, kind: Kind::Cut }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        if let Kind::Answer { headers, .. } = &mut self.kind {
            headers.push((name, value.to_string()));
        }
        self
    }

    pub(crate) fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    pub(crate) fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// The request is executed, and only the response is lost.
    pub(crate) fn but_executed(self) -> Self {
        Self { done: true, ..self }
    }

    pub(crate) fn of_any_method(self) -> Self {
        Self { method: "", ..self }
    }

    pub(super) fn is_for(&self, method: &str, path: &str) -> bool {
        (self.method.is_empty() || self.method == method) && path.contains(self.path)
    }
}

/// GitHub's own error messages. Sources: docs.github.com "Troubleshooting the REST API" and "Rate limits for the REST API";
/// the length limit of comments from reports of users.
pub(crate) fn refusal(name: &str) -> (u16, Value) {
    let basic = |status: u16, message: &str| {
        let body = json!({
            "message": message,
            "documentation_url": "https://docs.github.com/rest",
            "status": status.to_string(),
        });
        (status, body)
    };
    match name {
        "bad credentials" => basic(401, "Bad credentials"),
        "integration" => basic(403, "Resource not accessible by integration"),
        "person" => basic(403, "Resource not accessible by personal access token"),
        "app" => basic(403, "You must authenticate via a GitHub App."),
        "saml" => basic(403, "Resource protected by organization SAML enforcement."),
        "primary" => basic(403, "API rate limit exceeded for installation ID 1."),
        "secondary" => {
            basic(403, "You have exceeded a secondary rate limit. Please wait a few minutes.")
        }
        "not found" => basic(404, "Not Found"),
        "conflict" => basic(409, "Conflict"),
        "too many" => basic(429, "Too many requests"),
        "server error" => basic(500, "Server Error"),
        "bad gateway" => basic(502, "Bad Gateway"),
        "too long" => {
            let (status, mut body) = basic(422, "Validation Failed");
            body["errors"] = json!([{
                "resource": "IssueComment", "code": "unprocessable", "field": "data",
                "message": "Body is too long (maximum is 65536 characters)",
            }]);
            (status, body)
        }
        _ => panic!("GitHub has no words for {name:?}"),
    }
}
