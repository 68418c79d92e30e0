"""Models on disk and in memory: card, bundle, and the networks that they name."""
