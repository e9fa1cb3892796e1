//! The words that an expression may contain: functions, types and operators of PostgreSQL.

/// Words, separated by spaces.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words(&'static str);

impl Words {
    fn all(self) -> impl Iterator<Item = &'static str> {
        self.0.split_whitespace()
    }

    pub(super) fn has(self, word: &str) -> bool {
        self.0.split_whitespace().any(|known| known == word)
    }
}

/// Functions of PostgreSQL that read only their arguments.
pub(super) const FUNCTIONS: Words = Words(
    "abs array_append array_cat array_length array_lower array_ndims array_position array_prepend array_remove \
    array_replace array_to_string array_upper ascii bit_length btrim cardinality cbrt ceil ceiling char_length \
    character_length chr decode div encode exp floor initcap isempty json_array_length json_typeof \
    jsonb_array_length jsonb_build_array jsonb_build_object jsonb_typeof left length ln log lower lower_inc \
    lower_inf lpad ltrim md5 mod num_nonnulls num_nulls octet_length power regexp_count regexp_like regexp_replace \
    repeat replace reverse right round rpad rtrim sha256 sign split_part sqrt starts_with strpos substr to_hex \
    translate trunc upper upper_inc",
);
/// Functions that read the start time of the transaction, and nothing else.
pub(super) const TRANSACTION_TIME: Words = Words("now transaction_timestamp");
/// Functions that are recognised as PostgreSQL's by name. A function of the project with the same name and other argument types
/// is not distinguished.
pub(crate) fn known_functions() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.all().chain(TRANSACTION_TIME.all())
}
/// Words without parentheses that read that time.
pub(super) const CURRENT: Words =
    Words("CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP LOCALTIME LOCALTIMESTAMP");
/// Keywords that may precede a string and are not types.
pub(super) const BEFORE_STRING: Words =
    Words("AND BETWEEN DO ELSE ESCAPE ILIKE IN IS LIKE OR RETURNING ZONE");
/// Words before a parenthesis that do not call a function of the project: keywords that cannot be a function's name (reserved,
/// or `COL_NAME_KEYWORD` in PostgreSQL's `kwlist.h`).
pub(super) const BEFORE_PARENTHESIS: Words = Words(
    "ALL AND ANY BETWEEN CASE CHECK COALESCE DEFAULT DISTINCT ELSE EXTRACT FOR FROM GREATEST IN LEAST NOT \
    NULLIF OR OVERLAY POSITION ROW SOME SUBSTRING THEN TRIM UNIQUE VALUES WHEN WHERE WITH",
);
/// Whether a word before a parenthesis is a keyword, in upper case, and not the name of a function.
pub(crate) fn is_before_parenthesis(word: &str) -> bool {
    BEFORE_PARENTHESIS.has(word)
}
/// Words that begin a query, or that are not analysed here.
pub(super) const QUERIES: Words =
    Words("EXECUTE EXISTS OPERATOR OVERLAPS SELECT SIMILAR TABLE XMLPARSE XMLSERIALIZE");
/// Types of PostgreSQL whose input functions read nothing else.
pub(super) const TYPES: Words = Words(
    "bigint bit bool boolean box bpchar bytea char character cidr circle dec decimal double float float4 float8 \
    inet int int2 int4 int8 integer json jsonb line lseg macaddr numeric path point polygon real smallint text \
    tsquery tsvector uuid varchar xml",
);
/// Types that read words such as `now`, also from a computed value.
pub(super) const TIME_TYPES: Words = Words("date interval time timestamp timestamptz");
/// The words that the input of date and time types replaces by the current time (`datetktbl` in PostgreSQL's `datetime.c`).
pub(super) const SPECIAL_DATES: Words = Words("now today tomorrow yesterday");
/// Operators of PostgreSQL.
pub(super) const OPERATORS: Words = Words(
    "!= !~ !~* !~~ !~~* # #> #>> % & && * + - -> ->> / :: < << <= <> <@ = > >= >> ? ?& ?| @> @? @@ ^ | || ~ ~* ~~ \
    ~~* :",
);
