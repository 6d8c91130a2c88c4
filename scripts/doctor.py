"""Say what is wrong with this machine and its robot server: `robolearn doctor server=true`."""

from collections.abc import Sequence

from rich.console import Console

from robolearn import config
from robolearn.assembly import robot
from robolearn.hardware import doctor
from robolearn.hardware.doctor import DoctorConfig, Finding

COLOURS = {doctor.OK: "green", doctor.WARNING: "yellow", doctor.PROBLEM: "bold red"}


def main(argv: Sequence[str]) -> int:
    """Print what was found as it is found; return 1 if there is a problem."""
    cfg: DoctorConfig = config.compose("doctor", argv)
    console, findings = Console(), list[Finding]()
    for finding in robot.diagnose(cfg):
        findings.append(finding)
        colour = COLOURS[finding.state]
        console.print(
            f"[{colour}]{finding.state:8s}[/] {finding.what}: {finding.found}", highlight=False, soft_wrap=True
        )
        if finding.fix:
            console.print(f"         {finding.fix}", highlight=False, soft_wrap=True, markup=False)
    return int(doctor.worst(findings) == doctor.PROBLEM)
