"""Who may come in: what tokens and keys must be, and where the keys come from. The face declares the guards."""
