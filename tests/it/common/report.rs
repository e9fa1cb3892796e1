//! The JSON report of a run, with queries for tests.

use serde_json::Value;

/// The output of `verify --format json`.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) json: Value,
}

impl Report {
    /// A line for each unit, in the report's order: `app tenant acme: passed`.
    pub(crate) fn verdicts(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut lines = Vec::new();
        for database in list(&self.json["databases"]) {
            for unit in list(&database["units"]) {
                let [track, name, verdict] =
                    ["track", "name", "verdict"].map(|key| text(&unit[key]));
                lines.push(format!("{} {track} {name}: {verdict}", text(&database["name"])));
            }
        }
        lines
    }

    /// The verdict of the whole run.
    pub(crate) fn verdict(&self) -> &str {
        self.json["verdict"].as_str().unwrap()
    }

    /// The tenant of this name; for a shared track its starting state, as in `shared base`.
    #[track_caller]
    pub(crate) fn unit(&self, name: &str) -> &Value {
        let (track, name) = match name.strip_prefix("shared ") {
            Some(state) => ("shared", state),
            None => ("tenant", name),
        };
        let units = list(&self.json["databases"]).iter().flat_map(|each| list(&each["units"]));
        let mut found = units.filter(|unit| unit["track"] == track && unit["name"] == name);
        let unit = found.next();
        assert!(found.next().is_none(), "several units {track} {name}");
        unit.unwrap_or_else(|| panic!("no unit {track} {name} in {:?}", self.verdicts()))
    }

    /// The result of each migration of a unit: `base 1 applied`.
    pub(crate) fn steps(&self, unit: &str) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let line =
            |step: &Value| ["phase", "version", "outcome"].map(|key| text(&step[key])).join(" ");
        list(&self.unit(unit)["steps"]).iter().map(line).collect()
    }

    /// The codes of all findings, in the report's order.
    pub(crate) fn codes(&self) -> Vec<&str> {
        list(&self.json["findings"]).iter().map(|each| each["code"].as_str().unwrap()).collect()
    }

    /// The only finding with this code.
    #[track_caller]
    pub(crate) fn finding(&self, code: &str) -> &Value {
        let mut found = list(&self.json["findings"]).iter().filter(|each| each["code"] == code);
        let finding = found.next();
        assert!(found.next().is_none(), "several findings {code}: {:#}", self.json["findings"]);
        finding.unwrap_or_else(|| panic!("no finding {code}: {:#}", self.json["findings"]))
    }

    /// The first of several findings with this code.
    #[track_caller]
    pub(crate) fn first(&self, code: &str) -> &Value {
        let mut found = list(&self.json["findings"]).iter().filter(|each| each["code"] == code);
        found.next().unwrap_or_else(|| panic!("no finding {code}: {:#}", self.json["findings"]))
    }

    /// The units of a finding.
    pub(crate) fn units_of(&self, code: &str) -> Vec<&str> {
        list(&self.finding(code)["units"]).iter().map(|name| name.as_str().unwrap()).collect()
    }

    /// Notes on the whole run, one in each line.
    pub(crate) fn notes(&self) -> String {
        let notes = list(&self.json["notes"]).iter();
        notes.map(|note| note["message"].as_str().unwrap()).collect::<Vec<_>>().join("\n")
    }
}

/// `path:line:column` of a location, as far as known.
pub(crate) fn at(place: &Value) -> String {
    let path = place["path"].as_str().unwrap_or("nowhere");
    let numbers = ["line", "column"].map(|key| place[key].as_u64());
    numbers.into_iter().flatten().fold(path.to_owned(), |text, number| format!("{text}:{number}"))
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}
