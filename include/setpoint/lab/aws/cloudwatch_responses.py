"""The CloudWatch API: what moto does not answer, or answers wrongly or too slowly."""

import json
import math
from datetime import datetime
from typing import Any

from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import get_service_model

from setpoint.lab.aws.cloudwatch_backend import LabCloudWatchBackend
from setpoint.lab.aws.errors import InvalidNextToken, InvalidParameterCombination
from setpoint.lab.aws.queries import QueryResult, check_period, metric_key
from setpoint.lab.clock import at

JSON_CONTENT_TYPE = "application/x-amz-json-1.0"


class LabCloudWatchResponse(CloudWatchResponse):
    """moto's dispatcher for CloudWatch over the laboratory's store."""

    @property
    def lab_backend(self) -> LabCloudWatchBackend:
        """The backend of this request's account and region."""
        backend: LabCloudWatchBackend = self.cloudwatch_backend
        return backend

    def call_action(self) -> Any:
        """Answer one request while nothing else moves."""
        with self.lab_backend.environment.lock:
            return super().call_action()

    def put_metric_data(self) -> ActionResult:
        """PutMetricData."""
        self.lab_backend.put_metric_data(self._get_param("Namespace"), self._get_param("MetricData", []))
        return EmptyResult()

    def get_metric_data(self) -> Any:
        """GetMetricData, paged."""
        parameters = self._get_params()
        results, token = self.lab_backend.query_metric_data(
            parameters.get("MetricDataQueries", []),
            parameters["StartTime"],
            parameters["EndTime"],
            descending=(parameters.get("ScanBy") or "TimestampDescending") == "TimestampDescending",
            max_datapoints=parameters.get("MaxDatapoints"),
            next_token=parameters.get("NextToken"),
        )
        # Tens of thousands of points: moto's generic serialiser takes seconds for what json.dumps does in 0.1 s.
        if self.determine_response_protocol(get_service_model("cloudwatch")) == "json":
            headers = {"status": 200, "Content-Type": JSON_CONTENT_TYPE}
            return 200, headers, _as_json(results, token)
        return ActionResult({"MetricDataResults": [_as_result(item) for item in results], "NextToken": token})

    def get_metric_statistics(self) -> ActionResult:
        """GetMetricStatistics, percentiles included."""
        statistics = self._get_param("Statistics", [])
        extended = self._get_param("ExtendedStatistics", [])
        if not statistics and not extended:
            raise InvalidParameterCombination("Must specify either Statistics or ExtendedStatistics")
        name = self._get_param("MetricName")
        datapoints = self.lab_backend.metric_statistics(
            metric_key(self._get_param("Namespace"), name, self._get_param("Dimensions", [])),
            self._moment("StartTime"),
            self._moment("EndTime"),
            check_period(self._get_int_param("Period"), "Period"),
            statistics,
            extended,
            self._get_param("Unit"),
        )
        return ActionResult({"Label": name, "Datapoints": datapoints})

    def list_metrics(self) -> ActionResult:
        """ListMetrics, 500 a page."""
        token = self._get_param("NextToken")
        if token is not None and not token.isdigit():
            raise InvalidNextToken
        page, following = self.lab_backend.find_metrics(
            self._get_param("Namespace"),
            self._get_param("MetricName"),
            self._get_param("Dimensions", []),
            int(token or 0),
        )
        metrics = [
            {
                "Namespace": key.namespace,
                "MetricName": key.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in key.dimensions],
            }
            for key in page
        ]
        return ActionResult({"Metrics": metrics, "NextToken": None if following is None else str(following)})

    def _moment(self, name: str) -> datetime:
        moment: datetime = self._get_param(name)
        return moment


def _as_result(result: QueryResult) -> dict[str, Any]:
    return {
        "Id": result.query_id,
        "Label": result.label,
        "Timestamps": [at(moment) for moment in result.times],
        "Values": result.values,
        "StatusCode": result.status_code,
        "Messages": [{"Code": code, "Value": value} for code, value in result.messages],
    }


def _as_json(results: list[QueryResult], token: str | None) -> str:
    body: dict[str, Any] = {
        "MetricDataResults": [
            _as_result(result) | {"Timestamps": [math.floor(moment) for moment in result.times]} for result in results
        ],
        "Messages": [],
    }
    if token is not None:
        body["NextToken"] = token
    return json.dumps(body)
