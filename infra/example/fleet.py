"""An example for Terminator to keep up to date: a group behind a load balancer, in its own VPC.

Upload a release before deploying it: instances without one never become healthy, and are
replaced until there is one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from aws_cdk import CfnOutput, Duration, Stack, Tags
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3

from terminator.config.deployment import Bucket, ConfigError, Deployment
from terminator.config.release_keys import pointer_key

if TYPE_CHECKING:
    from constructs import Construct

APP: Final = "example"
PORT: Final = 8080
SIZE: Final = 3
_NETWORK: Final = "10.99.0.0/16"
_IMAGE: Final = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
_BOOT: Final = Path(__file__).with_name("boot.py")

# Without HOME the aws command tries to keep its cache in the root directory, and fails. The
# release is unpacked under /var/tmp, since /tmp is memory; PrivateTmp empties it at each restart.
_UNIT: Final = """\
[Unit]
Description=The release that {app} should be on
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
DynamicUser=yes
PrivateTmp=yes
StateDirectory={app}
Environment=HOME=/var/lib/{app} TMPDIR=/var/tmp PORT={port} AWS_DEFAULT_REGION={region}
ExecStart=/usr/bin/python3 /opt/{app}/boot.py {arguments}
Restart=on-failure
RestartSec=10

[Install]
WantedBy=multi-user.target
"""
_USER_DATA: Final = """\
#!/bin/bash
set -eu

mkdir -p /opt/{app}
cat >/opt/{app}/boot.py <<'END_OF_FILE'
{boot}END_OF_FILE

cat >/etc/systemd/system/{app}.service <<'END_OF_FILE'
{unit}END_OF_FILE

systemctl daemon-reload
systemctl enable --now {app}.service
"""
_TAGS: Final = {"enabled": "true", "app": APP, "port": str(PORT), "minimum": "1"}


class ExampleFleetStack(Stack):
    """Three instances that boot the release of the app `example`, and a page to look at."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        **options: Any,  # noqa: ANN401 - Stack's own
    ) -> None:
        super().__init__(scope, id_, **options)
        bucket = deployment.config.bucket
        if bucket is None:
            raise ConfigError("example is true, so releases.bucket has to name a bucket")
        self._vpc = self._network()
        instances = self._security_group("Instances", "Instances of the example")
        # Through the endpoint instances reach this bucket alone, with whatever credentials.
        endpoint = self._vpc.node.find_child("S3")
        for statement in self._reading(bucket, principals=[iam.AnyPrincipal()]):
            cast("ec2.GatewayVpcEndpoint", endpoint).add_to_policy(statement)
        group = self._group(
            f"{deployment.config.name}-{APP}", self._launch_template(bucket, instances)
        )
        balancer = self._balancer(group)
        # Terminator's probe stands in this VPC, but its security group is made by a stack that
        # is told the ids of this one: naming it here would close a circle. So it gets in by
        # its address.
        instances.add_ingress_rule(
            ec2.Peer.ipv4(_NETWORK), ec2.Port.tcp(PORT), "GET /version, by the probe of Terminator"
        )
        self._outputs(balancer)

    def _network(self) -> ec2.Vpc:
        public, isolated = ec2.SubnetType.PUBLIC, ec2.SubnetType.PRIVATE_ISOLATED
        # Instances read S3 through its gateway endpoint, which is free, and reach nothing else.
        return ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(_NETWORK),
            max_azs=2,
            nat_gateways=0,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Balancer", subnet_type=public, cidr_mask=24, map_public_ip_on_launch=False
                ),
                ec2.SubnetConfiguration(name="Instances", subnet_type=isolated, cidr_mask=24),
            ],
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(
                    service=ec2.GatewayVpcEndpointAwsService.S3,
                    subnets=[ec2.SubnetSelection(subnet_type=isolated)],
                )
            },
        )

    def _security_group(self, id_: str, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(
            self, id_, vpc=self._vpc, description=description, allow_all_outbound=False
        )

    def _launch_template(self, bucket: Bucket, group: ec2.SecurityGroup) -> ec2.LaunchTemplate:
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "S3, by its endpoint")
        disk = ec2.BlockDeviceVolume.ebs(8, encrypted=True, volume_type=ec2.EbsDeviceVolumeType.GP3)
        return ec2.LaunchTemplate(
            self,
            "Instance",
            instance_type=ec2.InstanceType("t4g.nano"),
            cpu_credits=ec2.CpuCredits.STANDARD,
            machine_image=ec2.MachineImage.from_ssm_parameter(_IMAGE),
            user_data=ec2.UserData.custom(user_data(bucket, self.region)),
            role=self._role(bucket),
            security_group=group,
            http_tokens=ec2.LaunchTemplateHttpTokens.REQUIRED,
            # No container of an instance, nor what forwards packets through it, has its role.
            http_put_response_hop_limit=1,
            block_devices=[ec2.BlockDevice(device_name="/dev/xvda", volume=disk)],
        )

    def _role(self, bucket: Bucket) -> iam.Role:
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            description=f"What an instance of the example may do: read the releases of {APP}",
        )
        for statement in self._reading(bucket):
            role.add_to_policy(statement)
        return role

    def _reading(self, bucket: Bucket, **whose: Any) -> list[iam.PolicyStatement]:  # noqa: ANN401 - PolicyStatement's own
        """Allow reading the app's own zips and pointer, in the bucket of the right account."""
        arn = s3.Bucket.from_bucket_name(self, f"Releases{len(whose)}", bucket.name).bucket_arn
        prefix, pointer = bucket.template.prefix(APP), pointer_key(APP)
        owned = {"s3:ResourceAccount": bucket.account or self.account}
        # A listing begins with one of these, and so shows no other app.
        listed = {"StringEquals": {**owned, "s3:prefix": [prefix, pointer]}}
        return [
            iam.PolicyStatement(
                actions=["s3:ListBucket"], resources=[arn], conditions=listed, **whose
            ),
            iam.PolicyStatement(
                actions=["s3:GetObject"],
                resources=sorted({f"{arn}/{prefix}*", f"{arn}/{pointer}"}),
                conditions={"StringEquals": owned},
                **whose,
            ),
        ]

    def _group(self, name: str, template: ec2.LaunchTemplate) -> autoscaling.AutoScalingGroup:
        group = autoscaling.AutoScalingGroup(
            self,
            "Group",
            auto_scaling_group_name=name,
            vpc=self._vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            launch_template=template,
            min_capacity=SIZE,
            max_capacity=SIZE,
            health_checks=autoscaling.HealthChecks.with_additional_checks(
                additional_types=[autoscaling.AdditionalHealthCheckType.ELB],
                grace_period=Duration.minutes(3),
            ),
        )
        only = ["AWS::AutoScaling::AutoScalingGroup"]
        for tag, value in _TAGS.items():
            Tags.of(group).add(f"terminator:{tag}", value, include_resource_types=only)
        return group

    def _balancer(self, group: autoscaling.AutoScalingGroup) -> elbv2.ApplicationLoadBalancer:
        balancer = elbv2.ApplicationLoadBalancer(
            self,
            "Balancer",
            vpc=self._vpc,
            internet_facing=True,
            security_group=self._security_group("Public", "Load balancer of the example"),
            drop_invalid_header_fields=True,
        )
        balancer.add_listener("Http", port=80).add_targets(
            "Instances",
            port=PORT,
            protocol=elbv2.ApplicationProtocol.HTTP,
            targets=[group],
            deregistration_delay=Duration.seconds(10),
            health_check=elbv2.HealthCheck(
                path="/version", interval=Duration.seconds(10), healthy_threshold_count=2
            ),
        )
        return balancer

    def _outputs(self, balancer: elbv2.ApplicationLoadBalancer) -> None:
        subnets = [subnet.subnet_id for subnet in self._vpc.isolated_subnets]
        vpc = self.to_json_string({"subnets": subnets, "ports": [PORT], "cidrs": [_NETWORK]})
        outputs = {
            "Url": (f"http://{balancer.load_balancer_dns_name}/", "The example itself"),
            "Vpcs": (
                f'{{"{self._vpc.vpc_id}": {vpc}}}',
                "What cdk.json needs as vpcs, so that Terminator can ask the instances",
            ),
        }
        for id_, (value, description) in outputs.items():
            CfnOutput(self, id_, value=value, description=description)


def user_data(bucket: Bucket, region: str) -> str:
    """Return the shell script that an instance runs at its first boot."""
    words = (bucket.name, APP, bucket.template.text)
    # As systemd reads a word: it knows C's escapes, variables and specifiers.
    quoted = [json.dumps(word).replace("%", "%%").replace("$", "$$") for word in words]
    unit = _UNIT.format(app=APP, port=PORT, region=region, arguments=" ".join(quoted))
    return _USER_DATA.format(app=APP, boot=_BOOT.read_text(encoding="utf-8"), unit=unit)
