"""helm upgrade replaces every proxy under load, and not one request fails, on kept connections or new ones."""
from scenarios.agent_upgrade import upgrade

STAGE = "mesh"
IS_LOAD = True
SECONDS_MAX = 300


def run(scenario):
    upgrade(scenario, "l7")
