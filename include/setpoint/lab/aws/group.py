"""An Auto Scaling group whose instances take time to come and go."""

from collections.abc import Iterable
from typing import Any

from moto.autoscaling.models import FakeAutoScalingGroup, InstanceState

from setpoint.lab.aws.activities import FAILED, IN_PROGRESS, ScalingActivity, insufficient_capacity
from setpoint.lab.aws.environment import Environment
from setpoint.lab.clock import at

# The states of an instance on its way in and out (the hooks' :Wait states are not simulated):
#
#     launch ──> Pending ──boot_seconds──> InService ──> Terminating ──terminate_seconds──> gone
#                   └───────────── scale in ────────────────┘
#
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html
PENDING = "Pending"
IN_SERVICE = "InService"
TERMINATING = "Terminating"

DIFFERENCE = "in response to a difference between desired and actual capacity"
UNHEALTHY = "was taken out of service in response to a user health-check."


class LabAutoScalingGroup(FakeAutoScalingGroup):
    """moto's group, with boot and termination times, activities, suspended processes and a cooldown."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        backend = kwargs["autoscaling_backend"]
        self._environment: Environment = backend.environment
        self.activities: list[ScalingActivity] = backend.activities_of(kwargs["name"])
        self._retry_launch_at = 0.0
        self._suspended_at: dict[str, str] = {}
        self._change = "a user request created an AutoScalingGroup"
        super().__init__(*args, **kwargs)
        if kwargs.get("default_cooldown") is not None:  # moto reads an explicit 0 as "not given"
            self.default_cooldown = kwargs["default_cooldown"]
        self.created_time = at(self._now()).isoformat()

    # What AWS answers ------------------------------------------------------------------------------------------

    @property
    def suspended_processes(self) -> list[dict[str, str]]:
        """The suspended processes, each with the reason AWS gives."""
        return [
            {"ProcessName": name, "SuspensionReason": self._suspended_at[name]} for name in sorted(self._suspended_at)
        ]

    @suspended_processes.setter
    def suspended_processes(self, processes: Iterable[str]) -> None:
        reason = f"User suspended at {at(self._now()):%Y-%m-%dT%H:%M:%SZ}"
        self._suspended_at = {name: self._suspended_at.get(name, reason) for name in processes}

    def is_suspended(self, *processes: str) -> bool:
        """Tell whether one of the processes is suspended."""
        return any(process in self._suspended_at for process in processes)

    def in_state(self, *states: str) -> list[InstanceState]:
        """Return the instances in one of the lifecycle states, oldest first."""
        return [state for state in self.instance_states if state.lifecycle_state in states]

    def active_instances(self) -> list[InstanceState]:
        """Return what counts against the desired capacity: instances in service or on their way."""
        return self.in_state(PENDING, IN_SERVICE)

    def blocking_activity(self) -> ScalingActivity | None:
        """Return the activity a request that honours the cooldown has to wait for, or None.

        An activity blocks while it is in progress, and until `default_cooldown` seconds after its end.
        """
        for activity in reversed(self.activities):
            if activity.status_code == FAILED:
                continue
            if activity.end_time is None:
                return activity
            if (at(self._now()) - activity.end_time).total_seconds() < self.default_cooldown:
                return activity
        return None

    # What moves it ---------------------------------------------------------------------------------------------

    def set_desired_capacity(self, new_capacity: int | None) -> None:
        """Take over a desired capacity and start what follows from it."""
        before = getattr(self, "desired_capacity", 0) or 0
        self.desired_capacity = self.min_size if new_capacity is None else new_capacity
        if before != self.desired_capacity and self.name in self.autoscaling_backend.autoscaling_groups:
            self._change = (
                "a user request explicitly set group desired capacity changing the desired capacity "
                f"from {before} to {self.desired_capacity}"
            )
        self._retry_launch_at = 0.0
        self.reconcile()
        self._change = ""  # what the tick does later is no longer "in response to" this request

    def reconcile(self) -> None:
        """Launch or terminate until the active instances are as many as desired."""
        missing = int(self.desired_capacity or 0) - len(self.active_instances())
        if missing > 0:
            self._launch(missing)
        elif missing < 0:
            self._scale_in(-missing)

    def progress(self) -> None:
        """Let time have its effect: arrivals, departures, replacements and retries."""
        now = self._now()
        for state in self.in_state(PENDING):
            if state.due_at <= now:
                self._arrive(state)
        gone = [state for state in self.in_state(TERMINATING) if state.due_at <= now]
        for state in gone:
            self._depart(state)
        if not self.is_suspended("HealthCheck", "ReplaceUnhealthy"):
            for state in self.in_state(IN_SERVICE):
                if state.health_status == "Unhealthy":
                    self.terminate(state, f"an instance {UNHEALTHY}")
        self.reconcile()

    def terminate(self, state: InstanceState, cause: str) -> ScalingActivity:
        """Take one instance out of service, for the reason given."""
        now = self._now()
        launching: ScalingActivity | None = getattr(state, "activity", None)
        if launching is not None and launching.status_code == IN_PROGRESS:
            launching.cancel(at(now), "The launch was overtaken by a termination of the instance.")
        state.lifecycle_state = TERMINATING
        state.due_at = now + self._environment.config.terminate_seconds
        activity = self._record(f"Terminating EC2 instance: {state.instance_id}", cause, state.availability_zone)
        state.activity = activity
        return activity

    def replace_autoscaling_group_instances(self, count_needed: int, propagated_tags: dict[str, str]) -> None:
        """Launch instances that take their time (moto calls this for every launch)."""
        known = len(self.instance_states)
        for _ in range(count_needed):  # one by one: moto puts all instances of a launch into one zone
            super().replace_autoscaling_group_instances(1, propagated_tags)
        now = self._now()
        boot_seconds = self._environment.boot_seconds(self.name)
        for number, state in enumerate(self.instance_states[known:], start=1):
            state.lifecycle_state = PENDING
            state.due_at = now + boot_seconds
            active = len(self.active_instances()) - count_needed + number
            state.activity = self._record(
                f"Launching a new EC2 instance: {state.instance_id}",
                f"an instance was started {DIFFERENCE}, increasing the capacity from {active - 1} to {active}.",
                state.availability_zone,
            )

    def discard_instances(self) -> None:
        """Terminate everything at once: the group is being deleted by force."""
        for state in list(self.instance_states):
            self.terminate(state, "an instance was taken out of service in response to a user request.")
            self._depart(state)

    # How -------------------------------------------------------------------------------------------------------

    def _launch(self, count: int) -> None:
        now = self._now()
        if self.is_suspended("Launch") or now < self._retry_launch_at:
            return
        if self._environment.launch_fails(self.name):
            self._retry_launch_at = now + self._environment.config.launch_retry_seconds
            self._record_failed_launch()
            return
        self.replace_autoscaling_group_instances(count, self.get_propagated_tags())

    def _scale_in(self, count: int) -> None:
        if self.is_suspended("Terminate"):
            return
        candidates = [state for state in self.active_instances() if not state.protected_from_scale_in]
        capacity = len(self.active_instances())
        for state in candidates[:count]:
            capacity -= 1
            self.terminate(
                state,
                f"an instance was taken out of service {DIFFERENCE}, "
                f"shrinking the capacity from {capacity + 1} to {capacity}.",
            )

    def _arrive(self, state: InstanceState) -> None:
        state.lifecycle_state = IN_SERVICE
        state.activity.succeed(at(self._now()))

    def _depart(self, state: InstanceState) -> None:
        self.ec2_backend.terminate_instances([state.instance_id])
        self.instance_states.remove(state)
        state.activity.succeed(at(self._now()))

    def _record_failed_launch(self) -> None:
        zone, *others = self.availability_zones
        message = insufficient_capacity(self.instance_type, zone, others)
        active = len(self.active_instances())
        activity = self._record(
            f"Launching a new EC2 instance.  Status Reason: {message}",
            f"an instance was started {DIFFERENCE}, increasing the capacity from {active} to {active + 1}.",
            zone,
        )
        activity.fail(at(self._now()), message[:255])  # the API's limit of StatusMessage

    def _record(self, description: str, cause: str, zone: str) -> ScalingActivity:
        moment = at(self._now())
        stamp = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
        prefix = f"At {stamp} {self._change}.  " if self._change else ""
        activity = ScalingActivity(
            auto_scaling_group_name=self.name,
            auto_scaling_group_arn=self.arn,
            description=description,
            cause=f"{prefix}At {stamp} {cause}",
            start_time=moment,
            availability_zone=zone,
            progress=50,
        )
        self.activities.append(activity)
        return activity

    def _now(self) -> float:
        return self._environment.clock.now()
