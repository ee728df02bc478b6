//! The AgentTalk relay: it takes messages over HTTP, answers when they are on disk, and hands them out. It never looks
//! into a payload.
