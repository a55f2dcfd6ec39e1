"""Public subnets without a NAT gateway, which would triple the bill, and a security group that lets nobody in."""

from __future__ import annotations

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from hlmon_deploy.acknowledged import acknowledge


class Network(Construct):
    """Where the tasks live; each gets a public address of its own."""

    def __init__(self, scope: Construct, name: str, *, uses_dynamodb: bool) -> None:
        super().__init__(scope, name)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr("10.20.0.0/24"),
            max_azs=2,
            nat_gateways=0,
            subnet_configuration=[
                ec2.SubnetConfiguration(name="public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=26)
            ],
        )
        if uses_dynamodb:
            self.vpc.add_gateway_endpoint("DynamoDb", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB)
        self.security_group = ec2.SecurityGroup(
            self,
            "Outbound",
            vpc=self.vpc,
            description="hlmon: nobody may connect, it connects to whatever its plugins need",
            allow_all_outbound=True,
        )
        acknowledge(self.vpc, {"VPC7": "Nothing listens in it; flow logs would cost more than the monitor"})
