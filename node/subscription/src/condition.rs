//! What a value must be.

use crate::InvalidSelector;
use crate::number::Number;
use esdb_etf::Term;
use std::cmp::Ordering;

/// Most levels of maps in a pattern. Matching goes as deep, whatever the event holds.
const MAX_DEPTH: usize = 32;

/// What a value must be. Terms are kept in their canonical bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// There.
    Any,
    /// Equal to one of these (`=:=`), which are sorted.
    In(Vec<Box<[u8]>>),
    /// Equal to anything but this.
    NotEqual(Box<[u8]>),
    /// A number on one side of another.
    Compare(Comparison, Number<'static>),
    /// A map that has these keys, sorted, with values that meet these conditions.
    Map(Vec<(Box<[u8]>, Condition)>),
}

/// On which side of its bound a number must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Comparison {
    fn admits(self, ordering: Ordering) -> bool {
        match self {
            Comparison::Greater => ordering.is_gt(),
            Comparison::GreaterOrEqual => ordering.is_ge(),
            Comparison::Less => ordering.is_lt(),
            Comparison::LessOrEqual => ordering.is_le(),
        }
    }

    /// Whether numbers above the bound are meant.
    pub fn is_above(self) -> bool {
        matches!(self, Comparison::Greater | Comparison::GreaterOrEqual)
    }
}

/// The canonical bytes of a selector's term, which are bounded as it is.
pub(crate) fn canonical(term: Term<'_>) -> Box<[u8]> {
    term.canonical(usize::MAX).unwrap_or_default().into()
}

impl Condition {
    /// Reads what a client wrote: `'_'`, an operator with its operand, a map of conditions, or a
    /// value.
    ///
    /// # Errors
    /// [`InvalidSelector`] for an operator with an operand that it cannot have, and for maps
    /// nested more than [`MAX_DEPTH`] deep.
    pub fn parse(term: Term<'_>) -> Result<Self, InvalidSelector> {
        Self::parse_within(term, MAX_DEPTH)
    }

    fn parse_within(term: Term<'_>, depth: usize) -> Result<Self, InvalidSelector> {
        if term.is_atom("_") {
            return Ok(Condition::Any);
        }
        if let Some([operator, operand]) = term.as_array()
            && let Some(operator) = operator.as_atom()
            && let Some(condition) = Self::operator(&operator.text(), operand)
        {
            return condition;
        }
        let Some(map) = term.as_map() else {
            return Ok(Condition::In(vec![canonical(term)]));
        };
        let Some(depth) = depth.checked_sub(1) else {
            let text = format!("maps in the selector are nested more than {MAX_DEPTH} deep");
            return Err(InvalidSelector::new("too_deep", text));
        };
        let mut pairs = map
            .map(|(key, value)| Ok((canonical(key), Self::parse_within(value, depth)?)))
            .collect::<Result<Vec<_>, InvalidSelector>>()?;
        pairs.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Condition::Map(pairs))
    }

    /// The condition of an operator; `None` if there is no such operator, and the tuple a value.
    fn operator(name: &str, operand: Term<'_>) -> Option<Result<Self, InvalidSelector>> {
        let comparison = match name {
            "gt" => Comparison::Greater,
            "gte" | "ge" => Comparison::GreaterOrEqual,
            "lt" => Comparison::Less,
            "lte" | "le" => Comparison::LessOrEqual,
            "eq" => return Some(Ok(Condition::In(vec![canonical(operand)]))),
            "ne" => return Some(Ok(Condition::NotEqual(canonical(operand)))),
            "in" => return Some(Self::one_of(operand)),
            _ => return None,
        };
        Some(match Number::of(operand) {
            Some(bound) => Ok(Condition::Compare(comparison, bound.into_owned())),
            None => Err(InvalidSelector::new(
                "invalid_operator",
                format!(
                    "{name} compares with a number, not with a {:?}",
                    operand.kind()
                ),
            )),
        })
    }

    fn one_of(operand: Term<'_>) -> Result<Self, InvalidSelector> {
        let mut values: Vec<_> = match operand.as_proper_list() {
            Some(list) if list.len() > 0 => list.map(canonical).collect(),
            _ => {
                let text = "in takes a list of one value or more";
                return Err(InvalidSelector::new("invalid_operator", text));
            }
        };
        values.sort_unstable();
        values.dedup();
        Ok(Condition::In(values))
    }

    /// Whether `value` meets the condition.
    pub fn matches(&self, value: Term<'_>) -> bool {
        match self {
            Condition::Any => true,
            Condition::In(values) => {
                let longest = values.iter().map(|value| value.len()).max();
                let value = value.canonical(longest.unwrap_or_default());
                value.is_some_and(|value| find(values, &value, |one| one).is_some())
            }
            Condition::NotEqual(other) => value.canonical(other.len()).as_deref() != Some(other),
            Condition::Compare(comparison, bound) => {
                Number::of(value).is_some_and(|value| comparison.admits(value.cmp(bound)))
            }
            Condition::Map(pairs) => holds(pairs, value),
        }
    }
}

/// Whether `value` is a map that has all of `pairs`.
fn holds(pairs: &[(Box<[u8]>, Condition)], value: Term<'_>) -> bool {
    let Some(map) = value.as_map().filter(|map| map.len() >= pairs.len()) else {
        return false;
    };
    let longest = pairs.iter().map(|(key, _)| key.len()).max();
    let mut missing = pairs.len();
    for (key, value) in map {
        if missing == 0 {
            break;
        }
        let Some(key) = key.canonical(longest.unwrap_or_default()) else {
            continue;
        };
        if let Some((_, condition)) = find(pairs, &key, |(key, _)| key) {
            if !condition.matches(value) {
                return false;
            }
            missing -= 1;
        }
    }
    missing == 0
}

/// The one of `sorted` whose key is `key`.
fn find<'a, T>(sorted: &'a [T], key: &[u8], of: impl Fn(&T) -> &Box<[u8]>) -> Option<&'a T> {
    let at = sorted.binary_search_by(|one| (**of(one)).cmp(key)).ok()?;
    sorted.get(at)
}
