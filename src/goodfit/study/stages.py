"""The stages of a study."""

COMPARE, SCREEN, SHORT, ABLATE, SWEEP = STAGES = "compare", "screen", "short", "ablate", "sweep"
"""Why a fit is trained; SHORT is SCREEN with fewer epochs. Only fits of the first stage are evidence."""
