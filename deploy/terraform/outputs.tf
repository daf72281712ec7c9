output "host_address" {
  description = "Public address of the host: the secret DEPLOY_HOST of the deploy workflow."
  value       = aws_eip.host.public_ip
}

output "instance_id" {
  description = "The host's instance."
  value       = aws_instance.host.id
}

output "bucket" {
  description = "MATRX_S3_BUCKET of the orchestrator."
  value       = aws_s3_bucket.homes.bucket
}

output "region" {
  description = "MATRX_S3_REGION of the orchestrator."
  value       = var.region
}

output "repositories" {
  description = "Where images are pushed to and pulled from."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}

output "push_policy_arn" {
  description = "Policy for the identity that pushes images."
  value       = aws_iam_policy.push.arn
}

output "host_role_arn" {
  description = "Role of the host."
  value       = aws_iam_role.host.arn
}
