//! Divides the tenants of a run among several jobs.

use std::fmt;
use std::str::FromStr;

/// `2/8`: the second of eight parts of the tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Partition {
    /// From 1.
    index: u32,
    count: u32,
}

impl Partition {
    /// Whether the item with this number, from 0, belongs to this part; items are assigned round-robin.
    pub(crate) fn has(self, number: usize) -> bool {
        number % self.count as usize + 1 == self.index as usize
    }

    /// Whether the item with this name belongs to this part, independent of the other items.
    pub(crate) fn has_name(self, name: &str) -> bool {
        // FNV-1a, which is the same on every machine and in every version.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        hash % u64::from(self.count) + 1 == u64::from(self.index)
    }

    /// `partition-2-of-8`: distinguishes its comment and its check run from those of the other parts.
    pub(crate) fn key(self) -> String {
        format!("partition-{}-of-{}", self.index, self.count)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Partition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(index, count)| {
            Some(Self { index: index.parse().ok()?, count: count.parse().ok()? })
        });
        let fits = |part: &Self| (1..=part.count).contains(&part.index);
        parts.filter(fits).ok_or_else(|| {
            "the format is INDEX/COUNT, with INDEX from 1 to COUNT, as in 2/8".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_in_exactly_one_part() {
        for count in 1..9_u32 {
            let parts = (1..=count).map(|index| format!("{index}/{count}").parse::<Partition>());
            let parts: Vec<_> = parts.map(Result::unwrap).collect();
            for name in ["", "acme", "We'ird-Ténant"] {
                assert_eq!(parts.iter().filter(|part| part.has_name(name)).count(), 1);
            }
            for number in 0..50 {
                assert_eq!(parts.iter().filter(|part| part.has(number)).count(), 1);
            }
        }
    }

    #[test]
    fn invalid_partitions_are_refused() {
        for text in ["", "0/8", "9/8", "1/0", "1", "a/b", "-1/2", "1/2/3", "1/99999999999"] {
            assert!(text.parse::<Partition>().is_err(), "{text}");
        }
        let partition: Partition = "2/8".parse().unwrap();
        assert_eq!(
            (partition.to_string().as_str(), partition.key().as_str()),
            ("2/8", "partition-2-of-8")
        );
    }
}
