variable "region" {
  description = "AWS region of everything here."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "It takes the name of a region, such as us-east-1."
  }
}

variable "name" {
  description = "First part of the names of everything here."
  type        = string
  default     = "matrx-sandbox"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "It takes 3 to 32 lower-case letters, digits and dashes, beginning with a letter."
  }
}

variable "environment" {
  description = "Which of several installations this is, for tags and names."
  type        = string
  default     = "production"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,15}$", var.environment))
    error_message = "It takes 2 to 16 lower-case letters, digits and dashes, beginning with a letter."
  }
}

variable "bucket_name" {
  description = "Bucket for homes and large files; unique in the world."
  type        = string

  validation {
    condition = (
      can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket_name)) &&
      !startswith(var.bucket_name, "xn--") && !endswith(var.bucket_name, "-s3alias")
    )
    error_message = "It takes 3 to 63 lower-case letters, digits and dashes, and no dots: those break TLS."
  }
}

variable "instance_type" {
  description = "Size of the host; docs/operations.md says how to choose."
  type        = string
  default     = "m6i.xlarge"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*[0-9][a-z0-9-]*[.]([2-9]|[1-9][0-9]+)?x?large$|^[a-z][a-z0-9-]*[0-9][a-z0-9-]*[.]medium$", var.instance_type))
    error_message = "It takes an instance type of at least medium, such as m6i.xlarge."
  }
}

variable "root_volume_gb" {
  description = "System disk in GiB: Debian, programs, images and containers."
  type        = number
  default     = 40

  validation {
    condition     = var.root_volume_gb >= 20 && var.root_volume_gb <= 1000 && floor(var.root_volume_gb) == var.root_volume_gb
    error_message = "It takes 20 to 1000."
  }
}

variable "data_volume_gb" {
  description = "Data disk in GiB: registry, homes in use, cache of large files. It outlives the host."
  type        = number
  default     = 100

  validation {
    condition     = var.data_volume_gb >= 20 && var.data_volume_gb <= 16000 && floor(var.data_volume_gb) == var.data_volume_gb
    error_message = "It takes 20 to 16000."
  }
}

variable "vpc_id" {
  description = "Network to live in; empty: the account's default one."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(vpc-[0-9a-f]{8,17})?$", var.vpc_id))
    error_message = "It takes the id of a VPC, or nothing."
  }
}

variable "subnet_id" {
  description = "Subnet of the host; empty: the first one of the network. The data disk stays in its zone for good."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(subnet-[0-9a-f]{8,17})?$", var.subnet_id))
    error_message = "It takes the id of a subnet, or nothing."
  }
}

variable "ssh_cidr_blocks" {
  description = "Networks that may sign in over SSH; empty: none."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for block in var.ssh_cidr_blocks : can(cidrhost(block, 0)) && !endswith(block, "/0")])
    error_message = "It takes networks such as 203.0.113.0/24, and not the whole internet."
  }
}

variable "api_cidr_blocks" {
  description = "Networks that may reach the TLS proxy in front of the API; empty: none."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for block in var.api_cidr_blocks : can(cidrhost(block, 0)) && !endswith(block, "/0")])
    error_message = "It takes networks such as 203.0.113.0/24, and not the whole internet."
  }
}

variable "api_port" {
  description = "Port of the TLS proxy in front of the API."
  type        = number
  default     = 443

  validation {
    condition     = var.api_port >= 1 && var.api_port <= 65535 && var.api_port != 22 && floor(var.api_port) == var.api_port
    error_message = "It takes 1 to 65535, and not 22."
  }
}

variable "ssh_public_key" {
  description = "Public half of the key that deploys and administrators sign in with."
  type        = string

  validation {
    condition     = can(regex("^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/=]+( .*)?$", var.ssh_public_key))
    error_message = "It takes one line that begins with ssh-ed25519 or ecdsa-sha2-nistp256."
  }
}

variable "noncurrent_days" {
  description = "How long overwritten and deleted objects of the bucket can be had back."
  type        = number
  default     = 30

  validation {
    condition     = var.noncurrent_days >= 1 && var.noncurrent_days <= 3650 && floor(var.noncurrent_days) == var.noncurrent_days
    error_message = "It takes 1 to 3650."
  }
}

variable "images_kept" {
  description = "How many images each repository keeps."
  type        = number
  default     = 10

  validation {
    condition     = var.images_kept >= 2 && var.images_kept <= 1000 && floor(var.images_kept) == var.images_kept
    error_message = "It takes 2 to 1000: a roll-back needs the one before."
  }
}
