"""Electronic seals: their life, their use, and what they prove."""
