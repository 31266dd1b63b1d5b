"""What the launchers for Ray and SLURM have in common."""
