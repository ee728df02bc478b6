//! Who goes on next: by chance, in order, or by a list.

use crate::random::Random;

/// How the next effect to go on is chosen.
#[derive(Clone, Debug)]
pub enum Chooser {
    /// By the seed.
    Chance(Random),
    /// The first that can.
    InOrder,
    /// By a list, then in order; how many there were to choose from is kept.
    List(List),
}

/// Choices between lanes, given beforehand.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// The choices to make.
    pub choices: Vec<usize>,
    /// At each choice made so far: how many lanes could go on, and which did.
    pub made: Vec<(usize, usize)>,
    last: Option<usize>,
}

impl Chooser {
    /// By the seed.
    #[must_use]
    pub fn by_seed(seed: u64) -> Self {
        Self::Chance(Random::stream(seed, 4))
    }

    /// The first that can.
    #[must_use]
    pub const fn in_order() -> Self {
        Self::InOrder
    }

    /// One of these pairs of lane and effect.
    pub(crate) fn choose(&mut self, ready: &[(usize, usize)]) -> usize {
        match self {
            Self::Chance(random) => random.below(ready.len()),
            Self::InOrder => 0,
            Self::List(list) => list.choose(ready),
        }
    }

    /// How much time passes with it.
    pub(crate) fn pass(&mut self) -> i64 {
        match self {
            Self::Chance(random) => random.between(0, 2),
            Self::InOrder => 0,
            Self::List(_) => 1,
        }
    }

    /// Whether the effect is taken to its end, or one step further.
    pub(crate) fn takes_whole(&mut self) -> bool {
        match self {
            Self::Chance(random) => random.chance(70),
            Self::InOrder | Self::List(_) => true,
        }
    }
}

impl List {
    /// These choices.
    #[must_use]
    pub const fn new(choices: Vec<usize>) -> Self {
        Self { choices, made: Vec::new(), last: None }
    }

    /// Lane by lane: choice 0 stays with the lane that went last, if it can go on, 1 goes to the next, and so on.
    fn choose(&mut self, ready: &[(usize, usize)]) -> usize {
        let mut lanes: Vec<usize> = ready.iter().map(|(lane, _)| *lane).collect();
        lanes.dedup();
        if let Some(at) = self.last.and_then(|last| lanes.iter().position(|lane| *lane == last)) {
            lanes.rotate_left(at);
        }
        let choice = self.choices.get(self.made.len()).copied().unwrap_or(0).min(lanes.len() - 1);
        self.made.push((lanes.len(), choice));
        let lane = lanes[choice];
        self.last = Some(lane);
        ready.iter().position(|(at, _)| *at == lane).unwrap_or(0)
    }
}
