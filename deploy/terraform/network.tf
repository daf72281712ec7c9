data "aws_vpc" "this" {
  id      = var.vpc_id == "" ? null : var.vpc_id
  default = var.vpc_id == "" ? true : null
}

data "aws_subnets" "all" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.this.id]
  }
}

data "aws_subnet" "this" {
  id = var.subnet_id == "" ? sort(data.aws_subnets.all.ids)[0] : var.subnet_id
}

resource "aws_security_group" "host" {
  name_prefix = "${local.prefix}-"
  description = "Matrx Sandbox host"
  vpc_id      = data.aws_vpc.this.id

  lifecycle {
    create_before_destroy = true
  }
}

# One rule for each network: an empty list opens nothing.
resource "aws_vpc_security_group_ingress_rule" "ssh" {
  for_each = toset(var.ssh_cidr_blocks)

  security_group_id = aws_security_group.host.id
  description       = "SSH"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
}

resource "aws_vpc_security_group_ingress_rule" "api" {
  for_each = toset(var.api_cidr_blocks)

  security_group_id = aws_security_group.host.id
  description       = "TLS proxy in front of the API"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = var.api_port
  to_port           = var.api_port
}

# Agents fetch packages and call services of their choice. What a sandbox may not reach is decided on the host, where
# it can be told from the host itself.
resource "aws_vpc_security_group_egress_rule" "all" {
  security_group_id = aws_security_group.host.id
  description       = "Everything out"
  cidr_ipv4         = "0.0.0.0/0" # terraform-ok: egress
  ip_protocol       = "-1"
}
