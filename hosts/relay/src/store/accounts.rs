//! The accounts, in memory: every request asks for one. Nothing is allocated for one account alone.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use hashbrown::HashTable;
use subtle::ConstantTimeEq;

use super::message::{AccountId, SpreadId};
use super::name::AgentName;
use super::token::TokenHash;

/// Accounts are allocated by this many.
const CHUNK: usize = 4096;

/// What is kept of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Account {
    pub(crate) id: AccountId,
    pub(crate) name: AgentName,
    pub(crate) key: Option<[u8; 32]>,
    pub(crate) token: TokenHash,
    pub(crate) registered_ms: i64,
}

/// An agent, as anybody may know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Its account.
    pub id: AccountId,
    /// Its name.
    pub name: AgentName,
    /// The Ed25519 key that owns the account, if one does.
    pub key: Option<[u8; 32]>,
    /// When it was registered, in unix milliseconds.
    pub registered_ms: i64,
}

impl From<&Account> for Agent {
    fn from(account: &Account) -> Self {
        let Account { id, name, key, registered_ms, .. } = *account;
        Self { id, name, key, registered_ms }
    }
}

/// All accounts, found by id, by name and by token.
#[derive(Default)]
pub(crate) struct Accounts {
    chunks: Vec<Vec<Account>>,
    /// Places that deleted accounts have left.
    free: Vec<u32>,
    by_id: HashTable<u32>,
    by_name: HashTable<u32>,
    by_token: HashTable<u32>,
    hasher: RandomState,
}

impl Accounts {
    /// None yet; the tables need not grow until there are so many.
    pub(crate) fn with_room(count: usize) -> Self {
        let table = || HashTable::with_capacity(count);
        Self { by_id: table(), by_name: table(), by_token: table(), ..Self::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn by_id(&self, id: AccountId) -> Option<&Account> {
        let place = self.by_id.find(hash_id(id), |place| self.holds(*place, |account| account.id == id))?;
        at(&self.chunks, *place)
    }

    pub(crate) fn by_name(&self, name: &AgentName) -> Option<&Account> {
        let hash = self.hasher.hash_one(name);
        let place = self.by_name.find(hash, |place| self.holds(*place, |account| account.name == *name))?;
        at(&self.chunks, *place)
    }

    /// Takes the same time whatever part of the hash agrees.
    pub(crate) fn by_token(&self, token: &TokenHash) -> Option<&Account> {
        let same = |account: &Account| bool::from(account.token.ct_eq(token));
        let place = self.by_token.find(hash_token(token), |place| self.holds(*place, same))?;
        at(&self.chunks, *place)
    }

    fn holds(&self, place: u32, is: impl FnOnce(&Account) -> bool) -> bool {
        at(&self.chunks, place).is_some_and(is)
    }

    /// Adds an account, or replaces the one of the same id.
    pub(crate) fn put(&mut self, account: Account) {
        self.remove(account.id);
        let place = self.place(account);
        let Self { chunks, by_id, by_name, by_token, hasher, .. } = self;
        let of = |place: &u32, hash: &dyn Fn(&Account) -> u64| at(chunks, *place).map_or(0, hash);
        by_id.insert_unique(hash_id(account.id), place, |place| of(place, &|account| hash_id(account.id)));
        by_name.insert_unique(hasher.hash_one(account.name), place, |place| {
            of(place, &|account| hasher.hash_one(account.name))
        });
        by_token
            .insert_unique(hash_token(&account.token), place, |place| of(place, &|account| hash_token(&account.token)));
    }

    /// Writes the account down in a free place.
    fn place(&mut self, account: Account) -> u32 {
        if let Some(place) = self.free.pop() {
            if let Some(free) = at_mut(&mut self.chunks, place) {
                *free = account;
            }
            return place;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let before = (self.chunks.len() - 1) * CHUNK;
        let Some(chunk) = self.chunks.last_mut() else { return u32::MAX };
        chunk.push(account);
        u32::try_from(before + chunk.len() - 1).unwrap_or(u32::MAX)
    }

    pub(crate) fn remove(&mut self, id: AccountId) {
        let Some(account) = self.by_id(id).copied() else { return };
        let name_hash = self.hasher.hash_one(account.name);
        let Self { chunks, by_id, by_name, by_token, free, .. } = self;
        let is = |place: &u32| at(chunks, *place).is_some_and(|found| found.id == id);
        let mut found = None;
        for (table, hash) in [(by_id, hash_id(id)), (by_name, name_hash), (by_token, hash_token(&account.token))] {
            if let Ok(entry) = table.find_entry(hash, is) {
                found = Some(entry.remove().0);
            }
        }
        if let Some(place) = found {
            // Nothing of it stays in memory either.
            if let Some(account) = at_mut(chunks, place) {
                *account = Account { name: AgentName::NOBODY, key: None, token: [0; 32], ..*account };
            }
            free.push(place);
        }
    }
}

fn at(chunks: &[Vec<Account>], place: u32) -> Option<&Account> {
    let place = place as usize;
    chunks.get(place / CHUNK)?.get(place % CHUNK)
}

fn at_mut(chunks: &mut [Vec<Account>], place: u32) -> Option<&mut Account> {
    let place = place as usize;
    chunks.get_mut(place / CHUNK)?.get_mut(place % CHUNK)
}

fn hash_id(id: AccountId) -> u64 {
    let mut hasher = SpreadId::default();
    id.hash(&mut hasher);
    hasher.finish()
}

/// The hash of a token is as good as random.
fn hash_token(token: &TokenHash) -> u64 {
    token.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(id: u32) -> Account {
        let token = super::super::token::hash(&format!("token {id}"));
        let name = AgentName::parse(&format!("agent-{id}")).unwrap();
        Account { id: AccountId(id), name, key: None, token, registered_ms: i64::from(id) }
    }

    #[test]
    fn accounts_are_found_by_id_name_and_token() {
        let mut accounts = Accounts::default();
        for id in 0..10_000 {
            accounts.put(account(id));
        }
        for id in (0..10_000).step_by(3) {
            accounts.remove(AccountId(id));
        }
        for id in 10_000..12_000 {
            accounts.put(account(id));
        }
        for id in 0..12_000 {
            let is_there = id >= 10_000 || id % 3 != 0;
            let one = account(id);
            assert_eq!(accounts.by_id(one.id).copied(), is_there.then_some(one));
            assert_eq!(accounts.by_name(&one.name).copied(), is_there.then_some(one));
            assert_eq!(accounts.by_token(&one.token).copied(), is_there.then_some(one));
        }
        assert_eq!(accounts.len(), 12_000 - 3334);
        assert!(accounts.chunks.iter().map(Vec::len).sum::<usize>() <= 10_000, "places are used again");
    }

    #[test]
    fn an_account_that_is_put_again_has_its_new_token_only() {
        let mut accounts = Accounts::default();
        let (old, new) = (account(1), Account { token: [9; 32], ..account(1) });
        accounts.put(old);
        accounts.put(new);
        assert_eq!(accounts.by_token(&old.token), None);
        assert_eq!(accounts.by_token(&new.token), Some(&new));
        assert_eq!(accounts.len(), 1);
    }
}
