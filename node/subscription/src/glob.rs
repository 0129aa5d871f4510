//! Names with wildcards: `*` stands for any bytes, also none.

/// A pattern that a name must match from first to last byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Glob {
    /// No wildcard in it.
    Exact(Box<[u8]>),
    /// What is before the first, between two, and after the last wildcard.
    Wild {
        prefix: Box<[u8]>,
        /// None of them is empty.
        pieces: Vec<Box<[u8]>>,
        suffix: Box<[u8]>,
    },
}

impl Glob {
    pub fn new(pattern: &[u8]) -> Self {
        let mut parts = pattern.split(|byte| *byte == b'*');
        let prefix = parts.next().unwrap_or_default().into();
        let Some(suffix) = parts.next_back() else {
            return Glob::Exact(prefix);
        };
        Glob::Wild {
            prefix,
            pieces: parts
                .filter(|part| !part.is_empty())
                .map(Box::from)
                .collect(),
            suffix: suffix.into(),
        }
    }

    /// Whether every name matches.
    pub fn is_any(&self) -> bool {
        match self {
            Glob::Exact(_) => false,
            Glob::Wild {
                prefix,
                pieces,
                suffix,
            } => prefix.is_empty() && pieces.is_empty() && suffix.is_empty(),
        }
    }

    pub fn matches(&self, name: &[u8]) -> bool {
        match self {
            Glob::Exact(exact) => **exact == *name,
            Glob::Wild {
                prefix,
                pieces,
                suffix,
            } => {
                let middle = name
                    .strip_prefix(&**prefix)
                    .and_then(|rest| rest.strip_suffix(&**suffix));
                // The earliest place for each piece leaves the most for those after it.
                let left = pieces.iter().try_fold(middle, |rest, piece| {
                    let rest = rest?;
                    let at = rest
                        .windows(piece.len())
                        .position(|window| window == &**piece);
                    at.map(|at| rest.get(at + piece.len()..))
                });
                left.flatten().is_some()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn wildcards_stand_for_any_bytes() {
        for (pattern, name, expected) in [
            ("order-*", "order-1", true),
            ("order-*", "order-", true),
            ("order-*", "order", false),
            ("order-*", "reorder-1", false),
            ("*-region-eu", "shop-region-eu", true),
            ("*-region-eu", "shop-region-eu2", false),
            ("*-region-*", "shop-region-eu", true),
            ("*-region-*", "shop-regional", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*b*b*", "abba", true),
            ("*b*b*", "aba", false),
            ("*bb*b*", "abba", false),
            ("**", "", true),
            ("*", "anything", true),
            ("plain", "plain", true),
            ("plain", "plainer", false),
            ("a.c", "abc", false),
            ("a?", "ab", false),
        ] {
            let glob = Glob::new(pattern.as_bytes());
            assert_eq!(glob.matches(name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
